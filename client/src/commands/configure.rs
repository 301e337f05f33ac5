//! `ssod configure`: one session and one profile, by questions or by flags.

mod convert;
mod questions;

use std::path::Path;

use ssod_control::{ControlClient, ListRequest, ListedSession, SessionState, Status};
use ssod_model::{AccountId, Profile, RoleName, SsoSession};
use ssod_profiles::{ProfileForm, Section, edit, profile_entries, session_entries, set_keys};

use super::{Context, login};
use crate::cli::Configure;
use crate::failure::{Failure, Outcome};
use crate::{aws_file, daemon, terminal};
use questions::{Questions, given};
use similar::TextDiff;

pub(crate) fn run(context: &Context, command: &Configure) -> Outcome<()> {
    if let Some(name) = &command.convert {
        return convert::run(context, name, command.all, command.dry_run);
    }
    let path = &context.paths.aws_config;
    let before = aws_file::read(path)?;
    let chosen = command.account.is_some() && command.role.is_some();
    if command.dry_run && !chosen {
        return Err(Failure::usage("A dry run signs in nowhere, so it needs --account and --role."));
    }
    // Where somebody must sign in, what stands against it is better said before the first question.
    let client = if chosen { None } else { Some(daemon::connect(&context.paths)?) };
    let questions = Questions { context, command, known: aws_file::resolved(path, &before)? };
    let session = questions.session()?;
    let (account_id, role_name) = match (&command.account, &command.role, client) {
        (Some(account), Some(role), _) => (given(AccountId::parse(account))?, given(RoleName::parse(role))?),
        (_, _, client) => {
            // The daemon must know the session to sign in to it.
            save(context, &before, &with_session(path, &before, &session)?)?;
            offered_role(&questions, &session, client)?
        }
    };
    let profile = Profile {
        name: questions.profile_name(&role_name)?,
        session: session.name.clone(),
        account_id,
        role_name,
        region: Some(questions.profile_region(&session)?),
        aws_form: command.sso_keys,
    };
    if let Some(known) =
        questions.known.profiles.get(&profile.name).filter(|known| !same_role(known, &profile))
    {
        let (name, role, account) = (&known.name, &known.role_name, &known.account_id);
        let what = format!("Profile {name} is {role} in {account} through {} now.", known.session);
        questions.may_replace(&what, &format!("Make it {} in {}?", profile.role_name, profile.account_id))?;
    }
    // The file as it is now: minutes may have passed while somebody signed in.
    let now = aws_file::read(path)?;
    let (set, remove) = profile_entries(&profile, &form(command.sso_keys)?);
    let section = Section::Profile(profile.name.to_string());
    let after = edit(&with_session(path, &now, &session)?, &section, &set, remove);
    let after = after.map_err(|error| aws_file::broken(path, &error))?;
    if command.dry_run {
        return Ok(terminal::print(&difference(&now, &after))?);
    }
    save(context, &now, &after)?;
    report(context, path, &profile)
}

fn same_role(one: &Profile, other: &Profile) -> bool {
    one.session == other.session && one.account_id == other.account_id && one.role_name == other.role_name
}

fn with_session(path: &Path, text: &str, session: &SsoSession) -> Outcome<String> {
    let section = Section::SsoSession(session.name.to_string());
    set_keys(text, &section, &session_entries(session)).map_err(|error| aws_file::broken(path, &error))
}

/// Writes the file where it changed, and tells a running daemon, which would notice by itself a moment later.
fn save(context: &Context, before: &str, after: &str) -> Outcome<()> {
    if before != after {
        aws_file::write(&context.paths.aws_config, after)?;
    }
    if let Some(client) = daemon::running(&context.paths) {
        client.post::<()>("/v1/reload", &())?;
    }
    Ok(())
}

/// Signs in where nobody is, and lets the person choose among what they may use.
fn offered_role(
    questions: &Questions<'_>,
    session: &SsoSession,
    client: Option<ControlClient>,
) -> Outcome<(AccountId, RoleName)> {
    let client = client.map_or_else(|| daemon::connect(&questions.context.paths), Ok)?;
    if !is_signed_in(&client, session.name.as_str())? {
        if !questions.context.interactive {
            return Err(Failure::usage("Without --account and --role, somebody must sign in and choose.")
                .hint("Give both flags, or run it in a terminal"));
        }
        login::sign_in(&client, session.name.as_str())?;
    }
    let request = ListRequest { name: Some(session.name.to_string()) };
    let listed: Vec<ListedSession> = client.post("/v1/list", &request)?;
    let listed = listed.into_iter().next().ok_or_else(|| Failure::new("The daemon lists nothing."))?;
    if let Some(error) = listed.error {
        return Err(error.into());
    }
    questions.role(&listed.accounts, session)
}

fn is_signed_in(client: &ControlClient, session: &str) -> Outcome<bool> {
    let status: Status = client.get("/v1/status")?;
    let found = status.sessions.iter().find(|known| known.name == session);
    Ok(found.is_some_and(|known| known.state == SessionState::Active))
}

fn form(sso_keys: bool) -> Outcome<ProfileForm> {
    Ok(if sso_keys { ProfileForm::Aws } else { ProfileForm::Ssod { program: own_program()? } })
}

/// The absolute path of this program, as botocore needs it: it expands nothing.
fn own_program() -> Outcome<String> {
    let program = std::env::current_exe()?;
    let text = program.to_str().filter(|text| !text.contains(['\n', '#', ';']));
    text.map(str::to_owned).ok_or_else(|| {
        Failure::new(format!(
            "The path of this program cannot stand in the AWS config file: {}.",
            program.display()
        ))
        .hint("Install ssod somewhere else")
    })
}

fn report(context: &Context, path: &Path, profile: &Profile) -> Outcome<()> {
    let name = &profile.name;
    terminal::print(&format!("Profile {name} is in {}.\n", path.display()))?;
    let signed_in = match daemon::running(&context.paths) {
        Some(client) => is_signed_in(&client, profile.session.as_str())?,
        None => false,
    };
    if !signed_in {
        terminal::warn(&format!("Sign in: ssod login {name}"));
    }
    terminal::warn(&format!("Use it:  aws sts get-caller-identity --profile {name}"));
    Ok(())
}

/// What would change, with the sections that it is in.
fn difference(before: &str, after: &str) -> String {
    let difference = TextDiff::from_lines(before, after);
    let text = difference.unified_diff().context_radius(3).header("now", "then").to_string();
    if text.is_empty() { "Nothing would change.\n".to_owned() } else { text }
}
