//! `ssod configure --convert`: makes profiles with AWS's own SSO keys use ssod.

use ssod_model::{Profile, SessionName, SsoSession};
use ssod_profiles::{Configuration, convert_to_ssod_form};

use super::config_edit::{difference, own_program, save};
use crate::context::CommandContext;
use crate::error::{CommandError, CommandResult};
use crate::{aws_config, terminal, user_file};

/// The profiles to convert.
#[derive(Clone, Copy)]
pub(super) enum ProfileSelection<'a> {
    All,
    /// The name is empty if `--convert` is given without one.
    Named(&'a str),
}

pub(super) fn run(
    context: &CommandContext,
    selection: ProfileSelection<'_>,
    dry_run: bool,
) -> CommandResult<()> {
    let path = &context.paths.aws_config;
    let before = user_file::read(path)?;
    let existing = aws_config::resolve(path, &before)?;
    let selected = select(&existing, selection)?;
    let program = own_program()?;
    let mut after = before.clone();
    for profile in &selected {
        let session = session_of(&existing, profile)?;
        let profile = Profile { session: session.name.clone(), ..(*profile).clone() };
        after = convert_to_ssod_form(&after, &profile, &session, &program)
            .map_err(|error| aws_config::malformed(path, &error))?;
    }
    if dry_run {
        return Ok(terminal::print(&difference(&before, &after))?);
    }
    save(context, &before, &after)?;
    let names: Vec<_> = selected.iter().map(|profile| profile.name.as_str()).collect();
    Ok(terminal::print(&if names.is_empty() {
        "No profile has AWS's own SSO keys.\n".to_owned()
    } else {
        format!("These profiles use ssod now: {}.\n", names.join(", "))
    })?)
}

fn select<'a>(
    existing: &'a Configuration,
    selection: ProfileSelection<'_>,
) -> CommandResult<Vec<&'a Profile>> {
    let name = match selection {
        ProfileSelection::All => {
            return Ok(existing.profiles.values().filter(|profile| profile.aws_form).collect());
        }
        ProfileSelection::Named("") => {
            return Err(CommandError::usage("--convert needs the name of a profile, or --all.")
                .hint("Example: ssod configure --convert PROFILE"));
        }
        ProfileSelection::Named(name) => name,
    };
    match existing.profiles.values().find(|profile| profile.name.as_str() == name) {
        Some(profile) if profile.aws_form => Ok(vec![profile]),
        Some(_) => Err(CommandError::new(format!("Profile \"{name}\" already uses ssod."))),
        None => Err(CommandError::new(format!(
            "There is no profile \"{name}\" with SSO keys in the AWS config file."
        ))
        .hint("To list the profiles: ssod status")),
    }
}

/// Returns the session for the converted profile. A legacy profile has no session section, and its session is named
/// after the start URL, which is not a valid section name. Such a profile gets an existing session with the same start
/// URL and region, else a new one that is named after the profile.
fn session_of(existing: &Configuration, profile: &Profile) -> CommandResult<SsoSession> {
    let missing = || CommandError::new(format!("Profile \"{}\" has no usable sso-session.", profile.name));
    let session = existing.sessions.get(&profile.session).ok_or_else(missing)?;
    if session.name.as_str() != session.start_url.as_str() {
        return Ok(session.clone());
    }
    let is_same_portal = |other: &&SsoSession| {
        other.name != session.name && other.start_url == session.start_url && other.region == session.region
    };
    if let Some(same) = existing.sessions.values().find(is_same_portal) {
        return Ok(same.clone());
    }
    let name = SessionName::parse(&format!("sso-session-{}", profile.name)).map_err(|_| missing())?;
    Ok(SsoSession { name, ..session.clone() })
}
