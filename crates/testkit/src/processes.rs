//! Real processes: found, run, and ended by their id.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const PROGRAMS: [&str; 3] = ["ssod", "ssod-daemon", "fake-identity-center"];

/// The folder with `ssod`, `ssod-daemon` and `fake-identity-center`: the one that `cargo xtask test` names after it
/// built them, else this program's own, as for `cargo xtask demo`.
pub fn programs() -> PathBuf {
    let named = std::env::var_os("SSOD_TEST_PROGRAMS").map(PathBuf::from);
    let own = || std::env::current_exe().ok().and_then(|program| Some(program.parent()?.to_owned()));
    let own = || own().filter(|folder| PROGRAMS.iter().all(|name| folder.join(name).is_file()));
    let folder = named.or_else(own);
    let folder = folder
        .unwrap_or_else(|| panic!("SSOD_TEST_PROGRAMS is not set: run these tests by cargo xtask test"));
    for name in PROGRAMS {
        assert!(folder.join(name).is_file(), "{name} is not in {}: run cargo xtask test", folder.display());
    }
    folder
}

/// The folder of the Python environment with moto, boto3 and the AWS CLI v1, made by `cargo xtask test`.
pub fn interop() -> PathBuf {
    let folder = std::env::var_os("SSOD_TEST_VENV").map(PathBuf::from);
    folder.unwrap_or_else(|| panic!("SSOD_TEST_VENV is not set: run these tests by cargo xtask test"))
}

/// A command that has ended.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its exit status; 128 + n for signal n.
    pub status: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Finished {
    /// Its output, where it succeeded; else the test fails with what it said.
    #[track_caller]
    pub fn succeeded(self) -> String {
        assert_eq!(self.status, 0, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self.stdout
    }

    /// What it said on standard error, where it ended with that status.
    #[track_caller]
    pub fn failed_with(self, status: i32) -> String {
        assert_eq!(self.status, status, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self.stderr
    }
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Finished {
    finished(command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}")))
}

fn finished(output: std::process::Output) -> Finished {
    use std::os::unix::process::ExitStatusExt;
    let status = output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or_default());
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Finished { status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Runs a command to its end, telling it something that must not stand in its arguments.
pub fn run_with_input(command: &mut Command, input: &str) -> Finished {
    use std::io::Write;
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    finished(child.wait_with_output().unwrap())
}

/// A process that goes on; it is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    lines: Mutex<mpsc::Receiver<String>>,
}

impl Running {
    /// Starts it, reading its standard output.
    pub fn start(command: &mut Command) -> Self {
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let output = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines: Mutex::new(lines) }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line that it prints, within 20 seconds.
    #[track_caller]
    pub fn line(&self) -> String {
        self.lines
            .lock()
            .unwrap()
            .recv_timeout(Duration::from_secs(20))
            .unwrap_or_else(|error| panic!("no line: {error}"))
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for its end; gives its exit status, or `None` when it goes on.
    pub fn wait(&mut self, patience: Duration) -> Option<i32> {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status.code().unwrap_or(-1));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}
