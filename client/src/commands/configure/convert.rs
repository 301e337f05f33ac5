//! `ssod configure --convert`: profiles of AWS's form into ssod's.

use ssod_model::{Profile, SessionName, SsoSession};
use ssod_profiles::{Configuration, convert};

use super::{difference, own_program, save};
use crate::commands::Context;
use crate::failure::{Failure, Outcome};
use crate::{aws_file, terminal};

pub(super) fn run(context: &Context, name: &str, all: bool, dry_run: bool) -> Outcome<()> {
    let path = &context.paths.aws_config;
    let before = aws_file::read(path)?;
    let known = aws_file::resolved(path, &before)?;
    let chosen = chosen(&known, name, all)?;
    let program = own_program()?;
    let mut after = before.clone();
    for profile in &chosen {
        let session = session_for(&known, profile)?;
        let profile = Profile { session: session.name.clone(), ..(*profile).clone() };
        after =
            convert(&after, &profile, &session, &program).map_err(|error| aws_file::broken(path, &error))?;
    }
    if dry_run {
        return Ok(terminal::print(&difference(&before, &after))?);
    }
    save(context, &before, &after)?;
    let names: Vec<_> = chosen.iter().map(|profile| profile.name.as_str()).collect();
    Ok(terminal::print(&if names.is_empty() {
        "There is no profile in AWS's own form.\n".to_owned()
    } else {
        format!("Through ssod from now on: {}.\n", names.join(", "))
    })?)
}

fn chosen<'a>(known: &'a Configuration, name: &str, all: bool) -> Outcome<Vec<&'a Profile>> {
    if all {
        return Ok(known.profiles.values().filter(|profile| profile.aws_form).collect());
    }
    if name.is_empty() {
        return Err(
            Failure::usage("Name a profile, or give --all.").hint("Example: ssod configure --convert NAME")
        );
    }
    let found = known.profiles.values().find(|profile| profile.name.as_str() == name);
    match found {
        Some(profile) if profile.aws_form => Ok(vec![profile]),
        Some(_) => Err(Failure::new(format!("Profile \"{name}\" goes through ssod already."))),
        None => {
            Err(Failure::new(format!("There is no profile \"{name}\" with SSO keys in the AWS config file."))
                .hint("See what there is: ssod status"))
        }
    }
}

/// The profile's session; a legacy one, which is named after its start URL, gets a name that can be written: that of a
/// session at the same place, else one made of the profile's.
fn session_for(known: &Configuration, profile: &Profile) -> Outcome<SsoSession> {
    let missing = || Failure::new(format!("Profile \"{}\" names no session that can be used.", profile.name));
    let session = known.sessions.get(&profile.session).ok_or_else(missing)?;
    if session.name.as_str() != session.start_url.as_str() {
        return Ok(session.clone());
    }
    let same_place = |other: &&SsoSession| {
        other.name != session.name && other.start_url == session.start_url && other.region == session.region
    };
    if let Some(same) = known.sessions.values().find(same_place) {
        return Ok(same.clone());
    }
    let name = SessionName::parse(&format!("sso-session-{}", profile.name)).map_err(|_| missing())?;
    Ok(SsoSession { name, ..session.clone() })
}
