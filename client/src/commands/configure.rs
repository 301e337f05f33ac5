//! `ssod configure`: writes a session and a profile, with values from flags or from questions.

mod config_edit;
mod conflicts;
mod convert;
mod difference;
mod questions;
mod region;

use std::cell::Cell;

use clap::Args;
use ssod_control::{
    CheckedRole, ControlClient, DraftSession, ListRequest, ListedSession, RoleAccess, SessionState,
    SessionStatus, Status,
};
use ssod_model::{AccountId, Profile, RoleName, SsoSession};
use ssod_profiles::{ProfileForm, Section, edit, profile_entries};

use crate::context::CommandContext;
use crate::error::{CommandError, CommandResult};
use crate::{access, aws_config, connection, daemon_process, key_store, sign_in, terminal, user_file};
use config_edit::{own_program, save, with_session};
use conflicts::OtherCredentials;
use convert::ProfileSelection;
use difference::difference;
use questions::{Answers, Overwrite, Questions, checked};

/// Add a session and a profile to the AWS config file.
///
/// Asks for each value that you do not give as a flag. Without --account and --role, signs in and lets you choose from
/// the accounts and roles that are assigned to you. Writes one `[sso-session]` and one `[profile]` section; the rest of
/// the file does not change.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  ssod configure                          ask for all values\n  ssod configure --profile readOnlyUser --session sso-session-readOnlyUser \\\n      --start-url https://d-1234567890.awsapps.com/start --region us-east-1 \\\n      --account 123456789012 --role ReadOnlyRole\n  ssod configure --convert oldProfile     make an existing SSO profile use ssod\n  ssod configure --convert --all --dry-run\n                                          show what converting all SSO profiles would change"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct ConfigureArgs {
    #[command(flatten)]
    answers: Answers,
    /// Write AWS's own SSO keys (`sso_account_id` …) instead of `credential_process`. With such a profile, AWS tools
    /// sign in by themselves and bypass ssod.
    #[arg(long)]
    sso_keys: bool,
    /// Make an existing profile with AWS's own SSO keys use ssod; with --all instead of a name, every such profile.
    #[arg(long, value_name = "PROFILE", num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["profile", "session", "sso_keys"])]
    convert: Option<String>,
    /// With --convert: convert every profile that has AWS's own SSO keys.
    #[arg(long, requires = "convert")]
    all: bool,
    /// Change an existing profile's role, or an existing session's start URL or region, without asking.
    #[arg(long)]
    replace: bool,
    /// Show the changes to the file as a diff, and write nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(context: &CommandContext, args: &ConfigureArgs) -> CommandResult<()> {
    if let Some(name) = &args.convert {
        let selection = if args.all { ProfileSelection::All } else { ProfileSelection::Named(name) };
        return convert::run(context, selection, args.dry_run);
    }
    let has_role = args.answers.account.is_some() && args.answers.role.is_some();
    let questions = prepare(context, args, has_role)?;
    // An unreachable daemon and a missing key store are reported before the first question.
    let client = if has_role { None } else { Some(open_daemon(context)?) };
    if has_role && context.interactive && !args.dry_run {
        key_store::offer_file(context, &connection::connect(&context.paths)?)?;
    }
    let session = questions.session()?;
    // A change that would break the file is reported before the sign-in.
    let path = &context.paths.aws_config;
    with_session(path, &user_file::read(path)?, &session)?;
    let (account_id, role_name) = match (&args.answers.account, &args.answers.role, &client) {
        (Some(account), Some(role), _) => {
            (checked(AccountId::parse(account))?, checked(RoleName::parse(role))?)
        }
        (_, _, Some(client)) => choose_role(context, &questions, &session, client)?,
        (_, _, None) => choose_role(context, &questions, &session, &open_daemon(context)?)?,
    };
    let profile = Profile {
        name: questions.profile_name(&role_name)?,
        session: session.name.clone(),
        account_id,
        role_name,
        region: Some(questions.profile_region(&session)?),
        aws_form: args.sso_keys,
        endpoints: None,
    };
    questions.confirm_other_credentials(profile.name.as_str())?;
    questions.confirm_other_role(&profile)?;
    if has_role && !args.dry_run {
        check_assigned(context, &session, &profile)?;
    }
    write_profile(context, args, &session, &profile)
}

/// Checks everything that is known before the first question: the flags, the file, and what the flags would replace.
fn prepare<'a>(
    context: &CommandContext,
    args: &'a ConfigureArgs,
    has_role: bool,
) -> CommandResult<Questions<'a>> {
    if args.dry_run && !has_role {
        return Err(CommandError::usage("--dry-run does not sign in, so it needs --account and --role."));
    }
    args.answers.check()?;
    let path = &context.paths.aws_config;
    let text = user_file::read(path)?;
    let questions = Questions {
        interactive: context.interactive,
        answers: &args.answers,
        overwrite: if args.replace || args.dry_run { Overwrite::Allowed } else { Overwrite::Ask },
        existing: aws_config::resolve(&text),
        other_credentials: OtherCredentials::read(context, &text),
        agreed: Cell::new(false),
    };
    if !args.dry_run {
        user_file::check_writable(path)?;
    }
    if !args.sso_keys {
        own_program()?;
    }
    questions.check_conflicts()?;
    Ok(questions)
}

/// Connects to the daemon, and makes sure that a sign-in can be saved.
fn open_daemon(context: &CommandContext) -> CommandResult<ControlClient> {
    let client = connection::connect(&context.paths)?;
    key_store::ensure_open(context, &client, context.interactive)?;
    Ok(client)
}

fn write_profile(
    context: &CommandContext,
    args: &ConfigureArgs,
    session: &SsoSession,
    profile: &Profile,
) -> CommandResult<()> {
    let path = &context.paths.aws_config;
    let form = if args.sso_keys { ProfileForm::Aws } else { ProfileForm::Ssod { program: own_program()? } };
    // The file is read again, because it may have changed during the sign-in.
    let before = user_file::read(path)?;
    let (set, remove) = profile_entries(profile, &form);
    let section = Section::Profile(profile.name.to_string());
    let after = edit(&with_session(path, &before, session)?, &section, &set, remove)
        .map_err(|error| aws_config::not_changed(path, &error))?;
    if args.dry_run {
        return Ok(terminal::print(&difference(&before, &after))?);
    }
    save(context, &before, &after)?;
    report(context, profile)
}

/// Signs in if necessary, and lets the user choose an account and a role from those that are assigned.
fn choose_role(
    context: &CommandContext,
    questions: &Questions<'_>,
    session: &SsoSession,
    client: &ControlClient,
) -> CommandResult<(AccountId, RoleName)> {
    let draft = DraftSession {
        name: session.name.to_string(),
        start_url: session.start_url.to_string(),
        region: session.region.to_string(),
        scopes: session.scopes.clone(),
    };
    let _draft = client.hold("/v1/draft-session", &draft)?;
    if !is_signed_in(client, session.name.as_str())? {
        if !questions.interactive {
            return Err(CommandError::usage(
                "Without --account and --role, you must sign in and choose, which needs a terminal.",
            )
            .hint("Give both flags, or run the command in a terminal"));
        }
        sign_in::sign_in(context, client, session.name.as_str())?;
    }
    let request = ListRequest { name: Some(session.name.to_string()) };
    let listed: Vec<ListedSession> = client.post("/v1/list", &request)?;
    let listed =
        listed.into_iter().next().ok_or_else(|| CommandError::new("The daemon returned no session."))?;
    if let Some(error) = listed.error {
        return Err(error.into());
    }
    questions.role(&listed.accounts, session)
}

/// Checks that the role is assigned, if the user is signed in to the session. A profile can also be written before the
/// first sign-in, without the daemon and without a network.
fn check_assigned(context: &CommandContext, session: &SsoSession, profile: &Profile) -> CommandResult<()> {
    let Some(client) = daemon_process::find_running(&context.paths)? else { return Ok(()) };
    let status: Status = client.get("/v1/status")?;
    let is_same = |known: &SessionStatus| {
        known.name == session.name.as_str()
            && known.start_url == session.start_url.as_str()
            && known.region == session.region.as_str()
    };
    let is_active = |known: &SessionStatus| known.state == SessionState::Active;
    if !status.sessions.iter().any(|known| is_same(known) && is_active(known)) {
        return Ok(());
    }
    let role = CheckedRole {
        profile: None,
        account_id: profile.account_id.to_string(),
        role_name: profile.role_name.to_string(),
        access: RoleAccess::Unknown,
    };
    match access::of_session(&client, session.name.as_str(), Some(role)) {
        Ok(access) if access.roles.iter().any(|role| role.access == RoleAccess::NotAssigned) => {
            let (account, role) = (profile.account_id.as_str(), profile.role_name.as_str());
            Err(access::not_assigned(&access, Some(account), Some(role)))
        }
        Ok(_) => Ok(()),
        Err(error) => {
            terminal::eprintln(&format!("warning: cannot check whether the role is assigned: {error}"));
            Ok(())
        }
    }
}

fn is_signed_in(client: &ControlClient, session: &str) -> CommandResult<bool> {
    let status: Status = client.get("/v1/status")?;
    let found = status.sessions.iter().find(|known| known.name == session);
    Ok(found.is_some_and(|known| known.state == SessionState::Active))
}

fn report(context: &CommandContext, profile: &Profile) -> CommandResult<()> {
    let name = &profile.name;
    terminal::print(&format!("Profile {name} is in {}.\n", context.paths.aws_config.display()))?;
    let signed_in = match daemon_process::find_running(&context.paths)? {
        Some(client) => is_signed_in(&client, profile.session.as_str())?,
        None => false,
    };
    if !signed_in {
        terminal::eprintln(&format!("Sign in: ssod login {name}"));
    }
    terminal::eprintln(&format!("Use it:  aws sts get-caller-identity --profile {name}"));
    Ok(())
}
