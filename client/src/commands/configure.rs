//! `ssod configure`: one session and one profile, by questions or by flags.

mod convert;
mod questions;

use std::path::Path;

use ssod_control::{ControlClient, ListRequest, ListedSession, SessionState, Status};
use ssod_model::{AccountId, Profile, ProfileName, Region, RoleName, SsoSession};
use ssod_profiles::{ProfileForm, Section, edit, profile_entries, session_entries, set_keys, writable_name};

use super::{Context, login};
use crate::cli::Configure;
use crate::failure::{Failure, Outcome};
use crate::{aws_file, daemon, terminal};
use questions::Questions;

pub(crate) fn run(context: &Context, command: &Configure) -> Outcome<()> {
    if let Some(name) = &command.convert {
        return convert::run(context, name, command.all, command.dry_run);
    }
    let path = &context.paths.aws_config;
    let before = aws_file::read(path)?;
    let questions = Questions { context, known: aws_file::resolved(path, &before)? };
    let session = questions.session(command)?;
    let (account, role) = match (&command.account, &command.role) {
        (Some(account), Some(role)) => (parse(AccountId::parse(account))?, parse(RoleName::parse(role))?),
        _ if command.dry_run => {
            return Err(Failure::usage("A dry run signs in nowhere, so it needs --account and --role."));
        }
        _ => {
            // The daemon must know the session to sign in to it.
            let with_session = with_session(path, &before, &session)?;
            save(context, &before, &with_session)?;
            offered_role(&questions, command, &session)?
        }
    };
    let profile = Profile {
        name: questions.profile_name(command, &role)?,
        session: session.name.clone(),
        account_id: account,
        role_name: role,
        region: Some(questions.profile_region(command, &session)?),
        aws_form: command.sso_keys,
    };
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
    report(path, &profile)
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
    command: &Configure,
    session: &SsoSession,
) -> Outcome<(AccountId, RoleName)> {
    let client = daemon::connect(&questions.context.paths)?;
    client.post::<()>("/v1/reload", &())?;
    if !is_signed_in(&client, session)? {
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
    questions.role(command, &listed.accounts)
}

fn is_signed_in(client: &ControlClient, session: &SsoSession) -> Outcome<bool> {
    let status: Status = client.get("/v1/status")?;
    let found = status.sessions.iter().find(|known| known.name == session.name.as_str());
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

fn report(path: &Path, profile: &Profile) -> Outcome<()> {
    let name = &profile.name;
    terminal::print(&format!("Profile {name} is in {}.\n", path.display()))?;
    terminal::warn(&format!("Sign in: ssod login {name}"));
    terminal::warn(&format!("Use it:  aws s3 ls --profile {name}"));
    Ok(())
}

/// The lines that would come and go.
fn difference(before: &str, after: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (before.lines().collect(), after.lines().collect());
    let gone = old.iter().filter(|line| !new.contains(line)).map(|line| format!("- {line}\n"));
    let come = new.iter().filter(|line| !old.contains(line)).map(|line| format!("+ {line}\n"));
    gone.chain(come).collect()
}

fn parse<T>(parsed: Result<T, ssod_model::InvalidName>) -> Outcome<T> {
    parsed.map_err(|error| Failure::usage(format!("{error}.")))
}

fn profile_name(text: &str) -> Outcome<ProfileName> {
    if !writable_name(text) {
        return Err(Failure::usage(format!("{text:?} is not a name that every AWS tool can read."))
            .hint("Use letters, digits and _ - / . % @ : +"));
    }
    parse(ProfileName::parse(text))
}

fn region(text: &str) -> Outcome<Region> {
    parse(Region::parse(text))
}
