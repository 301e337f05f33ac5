//! Runs the daemon as a background process with a log file, for machines without a service manager.

use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use ssod_control::DaemonStatus;
use ssod_private_files::{ReadPolicy, open_to_read};

use crate::context::CommandContext;
use crate::daemon_process::{self, StopOutcome};
use crate::error::{CommandError, CommandResult};
use crate::terminal;

/// How often a followed log is checked for new lines.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// How much of the end of the log is shown.
const TAIL_BYTES: u64 = 32 * 1024;

pub(super) fn install() -> CommandResult<()> {
    Ok(terminal::print(
        "This machine has no service manager, so nothing is installed: a command starts the daemon if none is running. To start it now: ssod service start\n",
    )?)
}

pub(super) fn start(context: &CommandContext) -> CommandResult<()> {
    let client = match daemon_process::find_running(&context.paths)? {
        Some(client) => client,
        None => daemon_process::start(&context.paths)?,
    };
    let status: DaemonStatus = client.get("/v1/daemon")?;
    Ok(terminal::print(&format!("The daemon runs as process {}, on port {}.\n", status.pid, status.port))?)
}

pub(super) fn stop(context: &CommandContext) -> CommandResult<()> {
    let text = match daemon_process::stop(&context.paths)? {
        StopOutcome::Stopped => "Stopped.\n",
        StopOutcome::WasNotRunning => "The daemon was not running.\n",
    };
    Ok(terminal::print(text)?)
}

pub(super) fn status(context: &CommandContext) -> CommandResult<()> {
    let Some(client) = daemon_process::find_running(&context.paths)? else {
        return Err(
            CommandError::not_reachable("The ssod daemon is not running.").hint("Run: ssod service start")
        );
    };
    let status: DaemonStatus = client.get("/v1/daemon")?;
    Ok(terminal::print(&format!(
        "ssod-daemon {} runs in the background as process {}, on port {}. Its log is {}\n",
        status.version,
        status.pid,
        status.port,
        context.paths.log().display()
    ))?)
}

/// Shows the end of the log, and with `follow` also new lines until Ctrl-C.
pub(super) fn logs(context: &CommandContext, follow: bool) -> CommandResult<()> {
    let path = context.paths.log();
    let unreadable =
        |error: std::io::Error| CommandError::new(format!("Cannot read {}: {error}.", path.display()));
    let policy = ReadPolicy::user_file().max_bytes(u64::MAX);
    let mut file = open_to_read(&path, &policy).map_err(|error| unreadable(error.into()))?;
    let length = file.metadata().map_err(unreadable)?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES))).map_err(unreadable)?;
    loop {
        let mut new = Vec::new();
        file.read_to_end(&mut new).map_err(unreadable)?;
        terminal::print(&String::from_utf8_lossy(&new))?;
        if !follow {
            return Ok(());
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}
