//! `ssod use`.

use std::cmp::Reverse;
use std::time::Duration;

use clap::Args;
use clap_complete::ArgValueCandidates;
use ssod_control::{ActiveProfile, ControlClient, Status, UseRequest};

use crate::context::Context;
use crate::error::{CommandError, CommandResult};
use crate::warnings::{shell_profile, warn_if_signed_out};
use crate::{completers, connection, duration, prompt, terminal};

/// Choose the active profile, which IMDS and `ssod env` without a name use.
///
/// IMDS and shells that ran `ssod env` without a name use the active profile. Until you choose one, none is active.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  ssod use readOnlyUser\n  ssod use adminUser --for 15m     then switch back to readOnlyUser automatically\n  ssod use --none"
)]
pub(crate) struct UseArgs {
    /// The profile; by default you choose from a list.
    #[arg(conflicts_with = "none")]
    #[arg(add = ArgValueCandidates::new(completers::profile_names))]
    name: Option<String>,
    /// Switch back automatically after this long (15m, 1h30m).
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse, conflicts_with = "none")]
    lasting: Option<Duration>,
    /// Make no profile active.
    #[arg(long)]
    none: bool,
}

pub(crate) fn run(context: &Context, args: &UseArgs) -> CommandResult<()> {
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
        terminal::warn(&format!(
            "This shell uses {own}, whatever the active profile is. To change that: eval \"$(ssod env)\""
        ));
    }
    Ok(())
}

/// Shows a list with search, the profile that was used last on top.
fn choose_profile(context: &Context, client: &ControlClient) -> CommandResult<String> {
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
            .hint("Give one: ssod use NAME"));
    }
    Ok(names[prompt::choice("Use", &names)?].clone())
}
