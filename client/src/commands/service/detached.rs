//! Where no service manager is: a daemon of its own, held by its lock, with a log file.

use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use ssod_control::DaemonStatus;
use ssod_private_files::{ReadPolicy, open_to_read};

use super::super::Context;
use crate::failure::{Failure, Outcome};
use crate::{daemon, terminal};

/// How often a log that is followed is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// What is shown of a long log.
const TAIL: u64 = 32 * 1024;

pub(super) fn install() -> Outcome<()> {
    Ok(terminal::print(
        "There is no service manager here, and nothing to install: each command starts the daemon where none runs. To start it now: ssod service start\n",
    )?)
}

pub(super) fn start(context: &Context) -> Outcome<()> {
    let status: DaemonStatus = daemon::connect_quietly(&context.paths)?.get("/v1/daemon")?;
    Ok(terminal::print(&format!("It runs as process {}, on port {}.\n", status.pid, status.port))?)
}

pub(super) fn stop(context: &Context) -> Outcome<()> {
    let was = if daemon::stop(&context.paths)? { "Stopped.\n" } else { "It did not run.\n" };
    Ok(terminal::print(was)?)
}

pub(super) fn status(context: &Context) -> Outcome<()> {
    let Some(client) = daemon::running(&context.paths) else {
        return Err(Failure::not_reachable("The ssod daemon does not run.").hint("Run: ssod service start"));
    };
    let status: DaemonStatus = client.get("/v1/daemon")?;
    Ok(terminal::print(&format!(
        "ssod-daemon {} runs detached as process {}, on port {}. Its log is {}\n",
        status.version,
        status.pid,
        status.port,
        context.paths.log().display()
    ))?)
}

/// The end of the log, and what is added to it from now on.
pub(super) fn logs(context: &Context, follow: bool) -> Outcome<()> {
    let path = context.paths.log();
    let unreadable =
        |error: std::io::Error| Failure::new(format!("Cannot read {}: {error}.", path.display()));
    let policy = ReadPolicy::user_file().max_bytes(u64::MAX);
    let mut file = open_to_read(&path, &policy).map_err(|error| unreadable(error.into()))?;
    let length = file.metadata().map_err(unreadable)?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).map_err(unreadable)?;
    loop {
        let mut new = Vec::new();
        file.read_to_end(&mut new).map_err(unreadable)?;
        terminal::print(&String::from_utf8_lossy(&new))?;
        if !follow {
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
}
