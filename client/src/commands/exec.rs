//! `ssod exec`.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::process::Command;

use clap::Args;
use clap_complete::ArgValueCandidates;
use ssod_control::{ActiveProfile, Checked, ControlClient, CredentialsRequest, Status};

use crate::access::Verdict;
use crate::context::CommandContext;
use crate::error::{CommandError, CommandResult, ExitStatus};
use crate::variables::Variables;
use crate::{access, completers, connection, memory, prompt, sign_in};

/// Run a command with a profile's credentials.
///
/// Checks that the profile has credentials, and in a terminal offers to sign in if necessary. Then runs the command
/// with variables that tell AWS tools to get their credentials from ssod. The exit status is the command's; it is 126
/// if the command cannot be run, and 127 if it is not found.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  ssod exec adminUser -- aws ec2 stop-instances --instance-ids i-0123456789abcdef0\n  ssod exec -- terraform plan             use the active profile, see `ssod use`"
)]
pub(crate) struct ExecArgs {
    /// The profile; by default the active one.
    #[arg(value_name = "PROFILE", add = ArgValueCandidates::new(completers::profile_names))]
    name: Option<String>,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

pub(crate) fn run(context: &CommandContext, args: &ExecArgs) -> CommandResult<()> {
    let client = connection::connect(&context.paths)?;
    let profile = match &args.name {
        Some(name) => name.clone(),
        None => active_profile(&client)?,
    };
    // First of all, because no sign-in helps against other credentials that AWS tools would use.
    let variables = Variables::fetch(context, &client, Some(&profile), false)?;
    ensure_signed_in(context, &client, &profile)?;
    let (program, arguments) =
        args.command.split_first().ok_or_else(|| CommandError::usage("No command is given."))?;
    let mut child = Command::new(program);
    child.args(arguments);
    for name in &variables.unset {
        child.env_remove(name);
    }
    child.envs(variables.set);
    // The command replaces this process, so it has the terminal, receives the signals, and sets the exit status.
    memory::before_exec();
    let error = child.exec();
    // Shells and env(1) use the same exit statuses.
    let status =
        if error.kind() == ErrorKind::NotFound { ExitStatus::NotFound } else { ExitStatus::CannotRun };
    Err(CommandError { status, ..CommandError::new(format!("Cannot run {}: {error}.", program.display())) })
}

/// Checks that the profile has credentials. If the user must sign in first, offers that.
fn ensure_signed_in(context: &CommandContext, client: &ControlClient, profile: &str) -> CommandResult<()> {
    let request = CredentialsRequest { profile: profile.to_owned() };
    let sign_in_needed = match client.post::<Checked>("/v1/check", &request).map_err(CommandError::from) {
        Ok(_) => return Ok(()),
        Err(error) if error.status == ExitStatus::SignInNeeded && context.interactive => error,
        Err(error) => return Err(error),
    };
    if !prompt::yes(&format!("{sign_in_needed} Sign in now?"), true)? {
        return Err(sign_in_needed);
    }
    sign_in::sign_in(context, client, profile)?;
    match access::check_profile(client, profile)? {
        Verdict::Works => Ok(()),
        Verdict::NotChecked(error) => Err(error.into()),
    }
}

fn active_profile(client: &ControlClient) -> CommandResult<String> {
    let ActiveProfile { profile, .. } = client.get::<Status>("/v1/status")?.active;
    profile.ok_or_else(|| {
        CommandError::usage("No profile is given, and none is active.")
            .hint("Give one: ssod exec PROFILE -- COMMAND")
    })
}
