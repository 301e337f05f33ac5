//! `ssod exec`.

use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::process::Command;

use ssod_control::{ActiveProfile, Checked, ControlClient, CredentialsRequest, Status as DaemonStatus};

use super::{Context, env, login};
use crate::cli::Exec;
use crate::failure::{Failure, Outcome, Status};
use crate::{daemon, prompt};

pub(crate) fn run(context: &Context, command: &Exec) -> Outcome<()> {
    let client = daemon::connect(&context.paths)?;
    let profile = match &command.name {
        Some(name) => name.clone(),
        None => active(&client)?,
    };
    check(context, &client, &profile)?;
    let variables = env::variables(&client, Some(&profile), false)?;
    let (program, arguments) =
        command.command.split_first().ok_or_else(|| Failure::usage("There is no command."))?;
    let mut child = Command::new(program);
    child.args(arguments);
    for name in &variables.unset {
        child.env_remove(name);
    }
    child.envs(variables.set);
    // Becomes the command: its exit status, its signals and its terminal are its own.
    let error = child.exec();
    // As shells and env(1) have it.
    let status = if error.kind() == ErrorKind::NotFound { Status::NotFound } else { Status::CannotRun };
    Err(Failure { status, ..Failure::new(format!("Cannot run {}: {error}.", program.display())) })
}

/// Makes sure that somebody is signed in; a person who is there is asked to.
fn check(context: &Context, client: &ControlClient, profile: &str) -> Outcome<()> {
    let request = CredentialsRequest { profile: profile.to_owned() };
    let needed = match client.post::<Checked>("/v1/check", &request).map_err(Failure::from) {
        Ok(_) => return Ok(()),
        Err(failure) if failure.status == Status::SignInNeeded && context.interactive => failure,
        Err(failure) => return Err(failure),
    };
    if !prompt::yes(&format!("{needed} Sign in now?"), true)? {
        return Err(needed);
    }
    login::sign_in(client, profile)?;
    client.post::<Checked>("/v1/check", &request)?;
    Ok(())
}

fn active(client: &ControlClient) -> Outcome<String> {
    let ActiveProfile { profile, .. } = client.get::<DaemonStatus>("/v1/status")?.active;
    profile.ok_or_else(|| {
        Failure::usage("No profile is named, and none is active.").hint("Name one: ssod exec PROFILE -- CMD")
    })
}
