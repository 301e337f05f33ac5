//! Runs the commands of a service manager.

use std::process::Command;

use crate::error::{CommandError, CommandResult};

/// Runs the command and shows its output.
pub(super) fn run_shown(command: &mut Command) -> CommandResult<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status =
        command.status().map_err(|error| CommandError::new(format!("Cannot run {name}: {error}.")))?;
    if status.success() {
        return Ok(());
    }
    Err(CommandError::new(format!("{name} failed ({status}).")))
}

/// Runs the command and returns its stdout. An error contains the first line of its stderr.
pub(super) fn run_captured(command: &mut Command) -> CommandResult<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output =
        command.output().map_err(|error| CommandError::new(format!("Cannot run {name}: {error}.")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let reason = stderr.lines().next().unwrap_or("it printed no reason").trim_end_matches('.');
    Err(CommandError::new(format!("{name} failed: {reason}.")))
}
