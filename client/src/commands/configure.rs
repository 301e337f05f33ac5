//! `ssod configure`: writes a session and a profile, from questions or flags.

mod config_edit;
mod convert;
mod questions;

use clap::Args;
use ssod_control::{ControlClient, ListRequest, ListedSession, SessionState, Status};
use ssod_model::{AccountId, Profile, RoleName, SsoSession};
use ssod_profiles::{ProfileForm, Section, edit, profile_entries};

use crate::context::Context;
use crate::error::{CommandError, CommandResult};
use crate::{aws_config, connection, daemon_process, sign_in, terminal, user_file};
use config_edit::{difference, own_program, save, with_session};
use convert::Selection;
use questions::{Answers, Overwrite, Questions, checked};

/// Add a session and a profile to the AWS config file.
///
/// Asks for everything that you do not give as a flag, signs in if it needs the list of your accounts and roles, and writes
/// `[sso-session]` and `[profile]` sections. The rest of the file does not change.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  ssod configure\n  ssod configure --profile readOnlyUser --session sso-session-readOnlyUser \\\n      --start-url https://d-1234567890.awsapps.com/start --region us-east-1 \\\n      --account 123456789012 --role ReadOnlyRole\n  ssod configure --convert oldProfile     make an existing SSO profile use ssod"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct ConfigureArgs {
    #[command(flatten)]
    answers: Answers,
    /// Write AWS's own keys (`sso_account_id` …). AWS tools then sign in by themselves and bypass ssod.
    #[arg(long)]
    sso_keys: bool,
    /// Convert a profile with AWS's own keys, so that it uses ssod; with --all instead of a name, every such profile.
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["profile", "session", "sso_keys"])]
    convert: Option<String>,
    /// With --convert: convert every profile.
    #[arg(long, requires = "convert")]
    all: bool,
    /// Replace a profile that has another role, or a session that has another start URL or region, without asking.
    #[arg(long)]
    replace: bool,
    /// Show what would be written, and write nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(context: &Context, args: &ConfigureArgs) -> CommandResult<()> {
    if let Some(name) = &args.convert {
        let selection = if args.all { Selection::All } else { Selection::Named(name) };
        return convert::run(context, selection, args.dry_run);
    }
    let path = &context.paths.aws_config;
    let before = user_file::read(path)?;
    let has_role = args.answers.account.is_some() && args.answers.role.is_some();
    if args.dry_run && !has_role {
        return Err(CommandError::usage("--dry-run does not sign in, so it needs --account and --role."));
    }
    // If a sign-in is needed, an unreachable daemon is reported before the first question.
    let client = if has_role { None } else { Some(connection::connect(&context.paths)?) };
    let questions = Questions {
        interactive: context.interactive,
        answers: &args.answers,
        overwrite: if args.replace || args.dry_run { Overwrite::Allowed } else { Overwrite::Ask },
        existing: aws_config::resolve(&before),
    };
    let session = questions.session()?;
    let (account_id, role_name) = match (&args.answers.account, &args.answers.role, client) {
        (Some(account), Some(role), _) => {
            (checked(AccountId::parse(account))?, checked(RoleName::parse(role))?)
        }
        (_, _, client) => {
            // The daemon must know the session to sign in to it.
            save(context, &before, &with_session(path, &before, &session)?)?;
            let client = client.map_or_else(|| connection::connect(&context.paths), Ok)?;
            choose_role(&questions, &session, &client)?
        }
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
    questions.confirm_other_role(&profile)?;
    write_profile(context, args, &session, &profile)
}

fn write_profile(
    context: &Context,
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

/// Signs in if necessary, and lets the user choose one of the accounts and roles that are assigned to them.
fn choose_role(
    questions: &Questions<'_>,
    session: &SsoSession,
    client: &ControlClient,
) -> CommandResult<(AccountId, RoleName)> {
    if !is_signed_in(client, session.name.as_str())? {
        if !questions.interactive {
            return Err(CommandError::usage(
                "Without --account and --role, you must sign in and choose, which needs a terminal.",
            )
            .hint("Give both flags, or run the command in a terminal"));
        }
        sign_in::sign_in(client, session.name.as_str())?;
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

fn is_signed_in(client: &ControlClient, session: &str) -> CommandResult<bool> {
    let status: Status = client.get("/v1/status")?;
    let found = status.sessions.iter().find(|known| known.name == session);
    Ok(found.is_some_and(|known| known.state == SessionState::Active))
}

fn report(context: &Context, profile: &Profile) -> CommandResult<()> {
    let name = &profile.name;
    terminal::print(&format!("Profile {name} is in {}.\n", context.paths.aws_config.display()))?;
    let signed_in = match daemon_process::find_running(&context.paths) {
        Some(client) => is_signed_in(&client, profile.session.as_str())?,
        None => false,
    };
    if !signed_in {
        terminal::warn(&format!("Sign in: ssod login {name}"));
    }
    terminal::warn(&format!("Use it:  aws sts get-caller-identity --profile {name}"));
    Ok(())
}
