//! Reaching the daemon, and starting it where none runs.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ssod_control::{ALREADY_RUNS, ControlClient, DaemonStatus, Paths};
use ssod_private_files::{ReadPolicy, open_to_read};
use ssod_profiles::Environment;

use crate::commands::service;
use crate::failure::{Failure, Outcome};
use crate::terminal;

/// A key store's prompt may wait for a person.
const START_PATIENCE: Duration = Duration::from_secs(25);
/// How long one that another command started may take to listen.
const OTHERS_PATIENCE: Duration = Duration::from_secs(5);
/// A daemon stops within a second.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);

/// The daemon that runs, or one that is started now; warns where it sees another world than this shell.
pub(crate) fn connect(paths: &Paths) -> Outcome<ControlClient> {
    let client = connect_quietly(paths)?;
    warn_of_differences(paths, &client.get("/v1/daemon")?);
    Ok(client)
}

/// The same without the comparison, for machines that call often.
pub(crate) fn connect_quietly(paths: &Paths) -> Outcome<ControlClient> {
    if let Some(client) = running(paths) {
        return Ok(client);
    }
    if service::start_installed()
        && let Some(client) = running(paths)
    {
        return Ok(client);
    }
    start(paths)
}

/// Ends the daemon that runs, in order; tells whether there was one.
pub(crate) fn stop(paths: &Paths) -> Outcome<bool> {
    let Some(pid) = lock_holder(paths) else { return Ok(false) };
    // It may end by itself at this moment.
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    let deadline = Instant::now() + STOP_PATIENCE;
    while lock_holder(paths) == Some(pid) {
        if Instant::now() > deadline {
            let pid = pid.as_raw_nonzero();
            return Err(Failure::new(format!("The ssod daemon, process {pid}, does not end.")));
        }
        std::thread::sleep(POLL);
    }
    Ok(true)
}

/// The process that holds the daemon's lock.
fn lock_holder(paths: &Paths) -> Option<rustix::process::Pid> {
    let lock = open_to_read(&paths.lock(), &ReadPolicy::user_file()).ok()?;
    if rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockShared).is_ok() {
        return None;
    }
    let pid = std::io::read_to_string(lock).ok()?.trim().parse().ok()?;
    rustix::process::Pid::from_raw(pid)
}

/// The daemon that runs, if one does.
pub(crate) fn running(paths: &Paths) -> Option<ControlClient> {
    let sockets = [Some(paths.socket.clone()), paths.other_socket()];
    sockets.into_iter().flatten().map(|socket| ControlClient::new(&socket)).find(ControlClient::is_reachable)
}

fn start(paths: &Paths) -> Outcome<ControlClient> {
    let program = program()?;
    let log = paths.log();
    let written = fs::metadata(&log).map_or(0, |facts| facts.len());
    let output = open_log(&log).map_err(|error| {
        Failure::not_reachable(format!("Cannot write the daemon's log {}: {error}.", log.display()))
    })?;
    let mut daemon = spawn(&program, output)
        .map_err(|error| Failure::not_reachable(format!("Cannot start {}: {error}.", program.display())))?;
    let mut deadline = Instant::now() + START_PATIENCE;
    let mut other_until = None;
    while Instant::now() < deadline {
        if let Some(client) = running(paths) {
            return Ok(client);
        }
        if let Ok(Some(status)) = daemon.try_wait() {
            if status.code() != Some(i32::from(ALREADY_RUNS)) {
                return Err(ended(&log, written));
            }
            // Another command started one at the same moment: that one will answer soon, or never here.
            deadline = deadline.min(*other_until.get_or_insert_with(|| Instant::now() + OTHERS_PATIENCE));
        }
        std::thread::sleep(POLL);
    }
    if other_until.is_some() {
        return Err(ended(&log, written));
    }
    Err(Failure::not_reachable("The ssod daemon started, but does not answer.")
        .hint(format!("A keyring may be waiting for its password. See {}", log.display())))
}

/// The daemon beside this program, else the one in PATH.
pub(crate) fn program() -> Outcome<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.join("ssod-daemon")));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        beside.into_iter().chain(std::env::split_paths(&path).map(|folder| folder.join("ssod-daemon")));
    found.into_iter().find(|program| program.is_file()).ok_or_else(|| {
        Failure::not_reachable(
            "The ssod daemon does not run, and ssod-daemon is not installed beside ssod or in PATH.",
        )
        .hint("Install both programs; the README says how")
    })
}

fn open_log(path: &Path) -> std::io::Result<File> {
    if let Some(folder) = path.parent() {
        ssod_private_files::create_folder(folder)?;
    }
    Ok(ssod_private_files::open_for_append(path)?)
}

/// In a process group of its own, so that Ctrl-C in this terminal does not end it.
fn spawn(program: &Path, log: File) -> std::io::Result<Child> {
    Command::new(program)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .current_dir("/")
        .process_group(0)
        .spawn()
}

/// What the daemon said as it ended.
fn ended(log: &Path, written: u64) -> Failure {
    let text = fs::read(log).unwrap_or_default();
    let new = text.get(usize::try_from(written).unwrap_or(0)..).unwrap_or_default();
    let new = String::from_utf8_lossy(new);
    let said = new.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing").trim();
    let said = said.strip_prefix("error: ").unwrap_or(said).trim_end_matches('.');
    Failure::not_reachable(format!("The ssod daemon ended at once: {said}."))
        .hint(format!("Its log is {}", log.display()))
}

fn warn_of_differences(paths: &Paths, daemon: &DaemonStatus) {
    let mut differences = Vec::new();
    if daemon.version != env!("CARGO_PKG_VERSION") {
        differences.push(format!(
            "is of version {} (this client: {})",
            daemon.version,
            env!("CARGO_PKG_VERSION")
        ));
    }
    if daemon.config_file != paths.aws_config.display().to_string() {
        differences.push(format!("reads {} (here: {})", daemon.config_file, paths.aws_config.display()));
    }
    for name in Environment::VARIABLES {
        let here = std::env::var(name).ok().filter(|value| !value.is_empty());
        let there = daemon.overrides.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        if here != there {
            let show = |value: Option<String>| value.unwrap_or_else(|| "unset".to_owned());
            differences.push(format!("has {name} {} (here: {})", show(there), show(here)));
        }
    }
    for difference in differences {
        terminal::warn(&format!(
            "warning: the ssod daemon {difference}; its own counts. To change that, end it (kill {}); the next ssod command starts one with what is here",
            daemon.pid
        ));
    }
}
