//! `ssod configure --convert`: makes profiles with AWS's own keys use ssod.

use ssod_model::{Profile, SessionName, SsoSession, did_you_mean, similar_names};
use ssod_profiles::{Configuration, convert};

use super::config_edit::{difference, own_program, save};
use crate::context::Context;
use crate::error::{CommandError, CommandResult};
use crate::{aws_config, terminal, user_file};

/// Which profiles are converted.
#[derive(Clone, Copy)]
pub(super) enum Selection<'a> {
    All,
    /// The name is empty if `--convert` is given without one.
    Named(&'a str),
}

pub(super) fn run(context: &Context, selection: Selection<'_>, dry_run: bool) -> CommandResult<()> {
    let path = &context.paths.aws_config;
    let before = user_file::read(path)?;
    let existing = aws_config::resolve(path, &before)?;
    let selected = select(&existing, selection)?;
    let program = own_program()?;
    let mut after = before.clone();
    for profile in &selected {
        let session = session_of(&existing, profile)?;
        let profile = Profile { session: session.name.clone(), ..(*profile).clone() };
        after = convert(&after, &profile, &session, &program)
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

fn select<'a>(existing: &'a Configuration, selection: Selection<'_>) -> CommandResult<Vec<&'a Profile>> {
    let name = match selection {
        Selection::All => {
            return Ok(existing.profiles.values().filter(|profile| profile.aws_form).collect());
        }
        Selection::Named("") => {
            return Err(CommandError::usage("Name a profile, or give --all.")
                .hint("Example: ssod configure --convert NAME"));
        }
        Selection::Named(name) => name,
    };
    match existing.profiles.values().find(|profile| profile.name.as_str() == name) {
        Some(profile) if profile.aws_form => Ok(vec![profile]),
        Some(_) => Err(CommandError::new(format!("Profile \"{name}\" already uses ssod."))),
        None => Err(unknown_profile(existing, name)),
    }
}

fn unknown_profile(existing: &Configuration, name: &str) -> CommandError {
    let similar = similar_names(name, existing.profiles.values().map(|profile| profile.name.as_str()));
    let question = did_you_mean(&similar).map(|question| format!("{question} ")).unwrap_or_default();
    CommandError::new(format!("There is no profile \"{name}\" with SSO keys in the AWS config file."))
        .hint(format!("{question}To list the profiles: ssod status"))
}

/// Returns the profile's session. A legacy profile has no session section; its session is named after the start URL, which
/// is no name for a section. It gets an existing session with the same start URL and region, else a new one that is named
/// after the profile.
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
