//! Finds, starts and stops the daemon's process.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ssod_control::{
    ALLOCATOR_VARIABLES, ALREADY_RUNS, ClientError, ControlClient, Paths, is_daemon_variable,
};
use ssod_private_files::{Need, ReadPolicy, exposures, open_to_read};

use crate::daemon_error::DaemonError;
use crate::error::{CommandError, CommandResult};

/// The daemon may wait for the user to answer a key store's prompt before it serves.
const START_TIMEOUT: Duration = Duration::from_secs(25);
/// How long a daemon that another command started at the same time may take to answer.
const OTHER_START_TIMEOUT: Duration = Duration::from_secs(5);
/// A daemon usually stops within a second.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How much of the log is searched for the error of a daemon that ended at once.
const MAX_LOG_BYTES: u64 = 256 * 1024;

/// Whether a daemon was running when [`stop`] was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopOutcome {
    Stopped,
    WasNotRunning,
}

/// Asks the running daemon to stop, and waits until it has.
pub(crate) fn stop(paths: &Paths) -> CommandResult<StopOutcome> {
    let Some(pid) = lock_holder(paths) else { return Ok(StopOutcome::WasNotRunning) };
    // An error means that the daemon has just stopped, which the loop detects.
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    let deadline = Instant::now() + STOP_TIMEOUT;
    while lock_holder(paths) == Some(pid) {
        if Instant::now() > deadline {
            let pid = pid.as_raw_nonzero();
            return Err(CommandError::new(format!("The ssod daemon (process {pid}) does not stop.")));
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    Ok(StopOutcome::Stopped)
}

/// Returns the process that holds the daemon's lock.
fn lock_holder(paths: &Paths) -> Option<rustix::process::Pid> {
    let lock = open_to_read(&paths.lock(), &ReadPolicy::private()).ok()?;
    if rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockShared).is_ok() {
        return None;
    }
    let pid = std::io::read_to_string(lock).ok()?.trim().parse().ok()?;
    rustix::process::Pid::from_raw(pid)
}

/// Returns a client for the running daemon. Fails if another user may listen on its socket.
pub(crate) fn find_running(paths: &Paths) -> CommandResult<Option<ControlClient>> {
    for socket in [Some(paths.socket.clone()), paths.other_socket()].into_iter().flatten() {
        let client = ControlClient::new(&socket);
        match client.check_reachable() {
            Ok(()) => return Ok(Some(client)),
            Err(ClientError::NotReachable { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// Starts a detached daemon and waits until it answers.
pub(crate) fn start(paths: &Paths) -> CommandResult<ControlClient> {
    let program = find_program(&paths.home)?;
    let log = paths.log();
    let log_size = fs::metadata(&log).map_or(0, |metadata| metadata.len());
    let output = open_log(&log).map_err(|error| {
        CommandError::not_reachable(format!("Cannot write the daemon's log {}: {error}.", log.display()))
    })?;
    let mut daemon = spawn(&program, output, &absolute_paths()?).map_err(|error| {
        CommandError::not_reachable(format!("Cannot start {}: {error}.", program.display()))
    })?;
    let mut deadline = Instant::now() + START_TIMEOUT;
    let mut other_deadline = None;
    while Instant::now() < deadline {
        if let Some(client) = find_running(paths)? {
            return Ok(client);
        }
        if let Ok(Some(status)) = daemon.try_wait() {
            if status.code() != Some(i32::from(ALREADY_RUNS)) {
                return Err(start_failure(&log, log_size));
            }
            // Another daemon holds the lock. Either another command has just started it, and it answers soon, or its
            // socket has another path, and waiting does not help.
            deadline =
                deadline.min(*other_deadline.get_or_insert_with(|| Instant::now() + OTHER_START_TIMEOUT));
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    if other_deadline.is_some() {
        return Err(start_failure(&log, log_size));
    }
    Err(CommandError::not_reachable("The ssod daemon has started but does not answer.")
        .hint(format!("A keyring may be waiting for its password. See the log: {}", log.display())))
}

/// Returns the path of the daemon's program: in the folder of this program, else in PATH. A program in PATH is not used
/// if other users can change it.
pub(crate) fn find_program(home: &Path) -> CommandResult<PathBuf> {
    const NAME: &str = "ssod-daemon";
    let sibling = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join(NAME)));
    if let Some(sibling) = sibling.filter(|program| program.is_file()) {
        return Ok(sibling);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    let program = folders.map(|folder| folder.join(NAME)).find(|program| program.is_file());
    let program = program.ok_or_else(|| {
        CommandError::not_reachable(
            "The ssod daemon is not running, and ssod-daemon is neither in the folder of ssod nor in PATH.",
        )
        .hint("Install both programs; see the README")
    })?;
    match exposures(&program, Need::Unchanged, home).into_iter().next() {
        None => Ok(program),
        Some(exposure) => Err(CommandError::not_reachable(format!(
            "{} is in PATH, but ssod does not start it, because {exposure}.",
            program.display()
        ))
        .hint(format!("Install both programs in one folder, or run: {}", exposure.remedy()))),
    }
}

/// Returns the ports that the settings name, one per line. The error is the daemon's.
pub(crate) fn print_ports(program: &Path) -> CommandResult<String> {
    let shown = program.display();
    let output = Command::new(program).arg("--print-ports").stdin(Stdio::null()).output();
    let output = output.map_err(|error| CommandError::new(format!("Cannot run {shown}: {error}.")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(match DaemonError::find(&String::from_utf8_lossy(&output.stderr)) {
        Some(DaemonError { reason, hint }) => {
            CommandError { hint, ..CommandError::new(format!("The ssod daemon cannot start: {reason}.")) }
        }
        None => CommandError::new(format!("{shown} failed without a reason.")),
    })
}

fn open_log(path: &Path) -> std::io::Result<File> {
    if let Some(folder) = path.parent() {
        ssod_private_files::private_folder(folder).map_err(std::io::Error::other)?;
    }
    Ok(ssod_private_files::open_for_append(path)?)
}

/// Returns the variables that name paths, with absolute paths: the daemon's current folder is not this one.
fn absolute_paths() -> CommandResult<Vec<(&'static str, PathBuf)>> {
    let mut variables = Vec::new();
    for variable in Paths::VARIABLES {
        if let Some(path) = Paths::from_variable(variable)? {
            variables.push((variable, path));
        }
    }
    Ok(variables)
}

/// Starts the daemon in its own process group, so that Ctrl-C in this terminal does not stop it. It gets only the
/// variables that a daemon may have, because it outlives this shell.
fn spawn(program: &Path, log: File, paths: &[(&'static str, PathBuf)]) -> std::io::Result<Child> {
    let kept = std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_daemon_variable));
    Command::new(program)
        .env_clear()
        .envs(kept)
        .envs(ALLOCATOR_VARIABLES.iter().copied())
        .envs(paths.iter().map(|(name, path)| (name, path)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .current_dir("/")
        .process_group(0)
        .spawn()
}

/// Reads what was appended to the log since it had that size, up to a limit.
fn read_from(log: &Path, old_size: u64) -> io::Result<Vec<u8>> {
    let policy = ReadPolicy::private().allow_others(0o077).max_bytes(u64::MAX);
    let mut file = open_to_read(log, &policy)?;
    file.seek(SeekFrom::Start(old_size))?;
    let mut new = Vec::new();
    file.take(MAX_LOG_BYTES).read_to_end(&mut new)?;
    Ok(new)
}

/// Returns the error that the daemon has written to its log since `old_size`, with its hint.
fn start_failure(log: &Path, old_size: u64) -> CommandError {
    let new = read_from(log, old_size).unwrap_or_default();
    let new = String::from_utf8_lossy(&new);
    let see_log = || format!("See its log: {}", log.display());
    let (reason, hint) = match DaemonError::find(&new) {
        Some(DaemonError { reason, hint }) => (reason, hint.unwrap_or_else(see_log)),
        None => ("it gave no reason".to_owned(), see_log()),
    };
    CommandError::not_reachable(format!("The ssod daemon ended at once: {reason}.")).hint(hint)
}
