//! `ssod use`.

use std::cmp::Reverse;
use std::time::Duration;

use clap::Args;
use clap_complete::ArgValueCandidates;
use ssod_control::{ActiveProfile, ControlClient, Status, UseRequest};

use crate::context::CommandContext;
use crate::error::{CommandError, CommandResult};
use crate::warnings::{shell_profile, warn_if_signed_out};
use crate::{completers, connection, duration, prompt, terminal};

/// Choose the active profile, which IMDS and `ssod env` without a profile use.
///
/// AWS tools get the active profile's credentials from ssod's IMDS endpoint, and in each shell that ran `ssod env`
/// without a profile. Until you choose a profile, none is active.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  ssod use                         choose from a list\n  ssod use readOnlyUser\n  ssod use adminUser --for 15m     after 15 minutes, switch back to readOnlyUser\n  ssod use --none                  make no profile active"
)]
pub(crate) struct UseArgs {
    /// The profile; by default you choose from a list.
    #[arg(value_name = "PROFILE", conflicts_with = "none")]
    #[arg(add = ArgValueCandidates::new(completers::profile_names))]
    name: Option<String>,
    /// Switch back to the previous profile after this time, such as 15m or 1h30m; by default, never.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse, conflicts_with = "none")]
    lasting: Option<Duration>,
    /// Make no profile active.
    #[arg(long)]
    none: bool,
}

pub(crate) fn run(context: &CommandContext, args: &UseArgs) -> CommandResult<()> {
    let client = connection::connect(&context.paths)?;
    let profile = match (&args.name, args.none) {
        (_, true) => None,
        (Some(name), false) => Some(name.clone()),
        (None, false) => Some(choose_profile(context, &client)?),
    };
    let seconds = args.lasting.map(|lasting| lasting.as_secs());
    let active: ActiveProfile = client.post("/v1/use", &UseRequest { profile: profile.clone(), seconds })?;
    let text = match (&active.profile, seconds) {
        (Some(profile), Some(seconds)) => {
            let (duration, then) = (duration::format(seconds), active.then.as_deref().unwrap_or("none"));
            format!("The active profile is {profile} for {duration}, then {then}.\n")
        }
        (Some(profile), None) => format!("The active profile is {profile}.\n"),
        (None, _) => "No profile is active.\n".to_owned(),
    };
    terminal::print(&text)?;
    if let Some(profile) = &profile {
        warn_if_signed_out(&client, profile)?;
    }
    if let Some(own) = shell_profile().filter(|own| profile.as_ref() != Some(own)) {
        terminal::eprintln(&format!(
            "This shell uses {own}, whatever the active profile is. To change that: eval \"$(ssod env)\""
        ));
    }
    Ok(())
}

/// Lets the user choose from a list with search. The profile that was used last comes first.
fn choose_profile(context: &CommandContext, client: &ControlClient) -> CommandResult<String> {
    let mut profiles = client.get::<Status>("/v1/status")?.profiles;
    if profiles.is_empty() {
        return Err(
            CommandError::new("There is no profile in the AWS config file.").hint("Add one: ssod configure")
        );
    }
    profiles.sort_by_key(|profile| Reverse(profile.used_ago.map(Reverse)));
    let names: Vec<String> = profiles.into_iter().map(|profile| profile.name).collect();
    if !context.interactive {
        return Err(CommandError::usage("No profile is given, and ssod cannot ask for one here.")
            .hint("Give one: ssod use PROFILE"));
    }
    Ok(names[prompt::choice("Profile", &names)?].clone())
}
