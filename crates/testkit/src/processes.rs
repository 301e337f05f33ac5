//! Runs real processes: finds the programs, starts them, reads their output, and ends them by their process id.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const PROGRAMS: [&str; 3] = ["ssod", "ssod-daemon", "fake-identity-center"];
/// How long a process may take to print its next line.
const LINE_LIMIT: Duration = Duration::from_secs(30);

/// Returns the folder with `ssod`, `ssod-daemon` and `fake-identity-center`: the one that `cargo xtask test` sets after
/// it has built them, or else the folder of the current program, as for `cargo xtask demo`.
pub fn programs() -> PathBuf {
    let from_variable = std::env::var_os("SSOD_TEST_PROGRAMS").map(PathBuf::from);
    let own_folder = || std::env::current_exe().ok().and_then(|program| Some(program.parent()?.to_owned()));
    let own_folder = || own_folder().filter(|folder| PROGRAMS.iter().all(|name| folder.join(name).is_file()));
    let folder = from_variable
        .or_else(own_folder)
        .unwrap_or_else(|| panic!("SSOD_TEST_PROGRAMS is not set: run these tests with cargo xtask test"));
    for name in PROGRAMS {
        assert!(folder.join(name).is_file(), "{name} is not in {}: run cargo xtask test", folder.display());
    }
    folder
}

/// Returns the folder of the Python environment with moto, boto3 and the AWS CLI v1, which `cargo xtask test` creates.
pub fn python_environment() -> PathBuf {
    path_in("SSOD_TEST_VENV")
}

/// Returns the folder with the AWS SDK for JavaScript, which `cargo xtask test` installs.
pub fn node_modules() -> PathBuf {
    path_in("SSOD_TEST_NODE_MODULES")
}

/// Returns the client of the AWS SDK for Rust, which `cargo xtask test` builds.
pub fn rust_sdk_client() -> PathBuf {
    path_in("SSOD_TEST_RUST_SDK")
}

fn path_in(variable: &str) -> PathBuf {
    let path = std::env::var_os(variable).map(PathBuf::from);
    path.unwrap_or_else(|| panic!("{variable} is not set: run these tests with cargo xtask test"))
}

/// The exit status and the output of a command that has ended.
#[derive(Clone, Debug)]
pub struct CommandOutput {
    /// Its exit status; 128 + n for signal n.
    pub status: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl CommandOutput {
    /// Returns its standard output. The test fails if the command did.
    #[track_caller]
    pub fn succeeded(self) -> String {
        assert_eq!(self.status, 0, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self.stdout
    }

    /// Returns its standard error. The test fails if the command ended with another status.
    #[track_caller]
    pub fn failed_with(self, status: i32) -> String {
        assert_eq!(self.status, status, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self.stderr
    }
}

impl From<Output> for CommandOutput {
    fn from(output: Output) -> Self {
        let status = output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or_default());
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { status, stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// Runs a command and waits for its end.
pub fn run(command: &mut Command) -> CommandOutput {
    let output = command.stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| panic!("{command:?}: {error}")).into()
}

/// Runs a command with this input, which its arguments must not contain, and waits for its end.
pub fn run_with_input(command: &mut Command, input: &str) -> CommandOutput {
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

/// A process that runs while the test continues. It is killed on drop.
#[derive(Debug)]
pub struct ChildProcess {
    pid: u32,
    child: Mutex<Child>,
    lines: Mutex<mpsc::Receiver<String>>,
}

impl ChildProcess {
    /// Starts the process, and reads its standard output.
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
        Self { pid: child.id(), child: Mutex::new(child), lines: Mutex::new(lines) }
    }

    /// Returns its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns the next line that it prints. The test fails after 30 seconds without one.
    #[track_caller]
    pub fn next_line(&self) -> String {
        let line = self.lines.lock().unwrap().recv_timeout(LINE_LIMIT);
        line.unwrap_or_else(|error| panic!("no line: {error}"))
    }

    /// Returns the next line that it prints within the time, if any.
    pub fn next_line_within(&self, limit: Duration) -> Option<String> {
        self.lines.lock().unwrap().recv_timeout(limit).ok()
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits until the process ends or the time is over. Returns its exit status, -1 if a signal ended it, or `None` if
    /// it still runs.
    pub fn wait(&self, limit: Duration) -> Option<i32> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.lock().unwrap().try_wait().unwrap() {
                return Some(status.code().unwrap_or(-1));
            }
            if Instant::now() >= deadline {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends the process with SIGKILL, as in a crash, and waits for its end.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        // Fails if the process has already ended.
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Drop for ChildProcess {
    fn drop(&mut self) {
        self.kill();
    }
}
