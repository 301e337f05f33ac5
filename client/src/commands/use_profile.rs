//! `ssod use`.

use std::cmp::Reverse;

use ssod_control::{ActiveProfile, ControlClient, ProfileState, Status, Trouble, UseRequest};

use super::Context;
use crate::cli::Use;
use crate::failure::{Failure, Outcome};
use crate::{daemon, duration, prompt, terminal};

pub(crate) fn run(context: &Context, command: &Use) -> Outcome<()> {
    let client = daemon::connect(&context.paths)?;
    let profile = match (&command.name, command.none) {
        (_, true) => None,
        (Some(name), false) => Some(name.clone()),
        (None, false) => Some(choose(context, &client)?),
    };
    let request =
        UseRequest { profile: profile.clone(), seconds: command.lasting.map(|lasting| lasting.as_secs()) };
    let active: ActiveProfile = client.post("/v1/use", &request)?;
    let then = active.then.as_deref().unwrap_or("none");
    let text = match (&active.profile, command.lasting) {
        (Some(profile), Some(lasting)) => {
            format!(
                "The active profile is {profile} for {}, then {then}.\n",
                duration::show(lasting.as_secs())
            )
        }
        (Some(profile), None) => format!("The active profile is {profile}.\n"),
        (None, _) => "No profile is active.\n".to_owned(),
    };
    terminal::print(&text)?;
    if let Some(profile) = &profile {
        warn_when_signed_out(&client, profile)?;
    }
    Ok(())
}

fn warn_when_signed_out(client: &ControlClient, name: &str) -> Outcome<()> {
    let status: Status = client.get("/v1/status")?;
    let profile = status.profiles.iter().find(|profile| profile.name == name);
    let blocked = profile.filter(|profile| profile.state == ProfileState::Blocked);
    if blocked.is_some_and(|profile| profile.trouble == Some(Trouble::SignInNeeded)) {
        terminal::warn(&format!("warning: its session is signed out. Run: ssod login {name}"));
    }
    Ok(())
}

/// A fuzzy picker, the last used first.
fn choose(context: &Context, client: &ControlClient) -> Outcome<String> {
    let mut profiles = client.get::<Status>("/v1/status")?.profiles;
    if profiles.is_empty() {
        return Err(
            Failure::new("There is no profile in the AWS config file.").hint("Add one: ssod configure")
        );
    }
    profiles.sort_by_key(|profile| Reverse(profile.used_ago.map(Reverse)));
    let names: Vec<String> = profiles.into_iter().map(|profile| profile.name).collect();
    if !context.interactive {
        return Err(
            Failure::usage("No profile is named, and nobody can be asked.").hint("Name one: ssod use NAME")
        );
    }
    Ok(names[prompt::choice("Use", &names)?].clone())
}
