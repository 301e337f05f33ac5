//! A sandbox: a home folder with its own settings, a fake Identity Center and a daemon, which are real processes.

mod daemon_handle;
mod environment;
mod fake_handle;

use std::fs::{self, DirBuilder, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

pub use self::daemon_handle::DaemonHandle;
use self::environment::ProgramEnvironment;
pub use self::fake_handle::{FakeHandle, FakeOptions};
use crate::leaks;
use crate::ports::free_port;
use crate::processes::{ChildProcess, CommandOutput, programs, run};
use crate::test_user::{ACCOUNT, TestUser};

/// How long `ssod login` may take after the user has answered.
const LOGIN_LIMIT: Duration = Duration::from_mins(1);

/// A temporary home folder with a fake Identity Center and a daemon. On drop, the processes end and the folder is
/// removed.
///
/// Its methods set up a test, which then queries [`daemon`](Self::daemon) and [`fake`](Self::fake).
pub struct Sandbox {
    // Fields are dropped in this order. The folder is the last, because the processes write to it until they end.
    daemon: DaemonHandle,
    fake: FakeHandle,
    environment: ProgramEnvironment,
    home: TempDir,
    /// The folder of the programs, if another user runs them.
    _programs: Option<TempDir>,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Sandbox {
    /// Creates a sandbox whose fake has its default options.
    pub fn new() -> Self {
        Self::with_fake(&FakeOptions::default())
    }

    /// Creates a sandbox whose fake issues access tokens and credentials with this lifetime.
    pub fn with_lifetime(lifetime: &str) -> Self {
        Self::with_fake(&FakeOptions::arguments(&["--access-token-life", lifetime, "--role-life", lifetime]))
    }

    /// Creates a sandbox whose fake has these options.
    pub fn with_fake(options: &FakeOptions) -> Self {
        Self::create(options, None)
    }

    /// Creates a sandbox that belongs to another user, so that the test itself can act as an unrelated user. Needs
    /// root.
    pub fn of_user(uid: u32) -> Self {
        Self::create(&FakeOptions::default(), Some(uid))
    }

    /// Creates the same, with a fake that issues access tokens and credentials with this lifetime.
    pub fn of_user_with_lifetime(uid: u32, lifetime: &str) -> Self {
        let options = ["--access-token-life", lifetime, "--role-life", lifetime];
        Self::create(&FakeOptions::arguments(&options), Some(uid))
    }

    /// Creates a sandbox with a running daemon, in which the user has signed in.
    pub fn signed_in(user: TestUser) -> Self {
        let sandbox = Self::configured(user);
        sandbox.login(user).succeeded();
        sandbox
    }

    /// Creates a sandbox with a running daemon and the user's session and profile, but without a sign-in.
    pub fn configured(user: TestUser) -> Self {
        let mut sandbox = Self::new();
        sandbox.configure(user);
        sandbox.start_daemon();
        sandbox
    }

    fn create(options: &FakeOptions, uid: Option<u32>) -> Self {
        let home = tempfile::Builder::new().prefix("ssod-test-").tempdir().unwrap();
        DirBuilder::new().mode(0o700).create(home.path().join("run")).unwrap();
        let copied = uid.map(|_| copy_programs());
        let programs = copied.as_ref().map_or_else(programs, |folder| folder.path().to_owned());
        let fake = FakeHandle::start(options, &programs, uid);
        let environment = ProgramEnvironment {
            home: home.path().to_owned(),
            programs,
            fake_url: fake.url().to_owned(),
            uid,
        };
        let daemon = DaemonHandle::new(environment.clone(), free_port());
        let sandbox = Self { daemon, fake, environment, home, _programs: copied };
        sandbox.add_settings("");
        sandbox
    }

    /// Returns the daemon.
    pub fn daemon(&self) -> &DaemonHandle {
        &self.daemon
    }

    /// Returns the fake Identity Center.
    pub fn fake(&self) -> &FakeHandle {
        &self.fake
    }

    /// Returns the home folder.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Returns the path of the AWS config file.
    pub fn aws_config(&self) -> PathBuf {
        self.home().join(".aws/config")
    }

    /// Writes the AWS config file.
    pub fn write_aws_config(&self, text: &str) {
        fs::create_dir_all(self.home().join(".aws")).unwrap();
        fs::write(self.aws_config(), text).unwrap();
        self.chown_to_user();
    }

    /// Writes `config.toml` with the sandbox's own port, the vault's key in a file, and these additional lines.
    pub fn add_settings(&self, lines: &str) {
        // Elsewhere, the kernel does not tell who listens on loopback.
        let trusted = if cfg!(target_os = "linux") {
            String::new()
        } else {
            format!("[network]\ntrusted_endpoints = [{:?}]\n", self.fake.url())
        };
        self.write_settings(&format!(
            "[endpoint]\nport = {}\n[vault]\nkey = \"file\"\n{trusted}{lines}",
            self.daemon.port()
        ));
    }

    /// Writes `config.toml` with exactly this text.
    pub fn write_settings(&self, text: &str) {
        let folder = self.home().join(".config/ssod");
        // Whatever the umask of the test is: ssod does not use settings that other users can change.
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).unwrap();
        let file = folder.join("config.toml");
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        self.chown_to_user();
    }

    /// Makes the sandbox's user the owner of everything in the home folder.
    fn chown_to_user(&self) {
        let Some(uid) = self.environment.uid else { return };
        let mut paths = vec![self.home().to_owned()];
        while let Some(path) = paths.pop() {
            lchown(&path, Some(uid), Some(uid)).unwrap();
            if path.symlink_metadata().unwrap().is_dir() {
                paths.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
        }
    }

    /// Returns a command that runs in the sandbox's environment, and inherits no variable of the test.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        self.environment.command(program)
    }

    /// Returns a command that runs `ssod` in the sandbox's environment.
    pub fn ssod_command(&self) -> Command {
        self.environment.ssod_command()
    }

    /// Returns a command that runs `ssod-daemon` in the sandbox's environment.
    pub fn daemon_command(&self) -> Command {
        self.command(self.environment.programs.join("ssod-daemon"))
    }

    /// Returns the path of `ssod`.
    pub fn ssod_program(&self) -> String {
        self.environment.programs.join("ssod").display().to_string()
    }

    /// Runs `ssod` and waits for its end.
    pub fn ssod(&self, arguments: &[&str]) -> CommandOutput {
        self.environment.ssod(arguments)
    }

    /// Writes the user's session and profile with `ssod configure`.
    pub fn configure(&self, user: TestUser) {
        let arguments = [
            ("--profile", user.profile),
            ("--session", user.session),
            ("--start-url", &self.fake.start_url()),
            ("--region", "us-east-1"),
            ("--account", ACCOUNT),
            ("--role", user.role),
        ];
        let mut command = self.ssod_command();
        command.arg("configure");
        for (name, value) in arguments {
            command.args([name, value]);
        }
        run(&mut command).succeeded();
    }

    /// Signs the user in: runs `ssod login` and approves it as the user would in a browser. Then the file with the
    /// profile's token exists, as in a shell.
    pub fn login(&self, user: TestUser) -> CommandOutput {
        let output = self.login_with(user.profile, &[], |event| self.fake.approve(event, user.name));
        self.daemon.token_file(user.profile);
        output
    }

    /// Runs `ssod login --json --no-browser`, and calls the closure with its first event unless the event is a failure.
    pub fn login_with(&self, name: &str, flags: &[&str], answer: impl FnOnce(&Value)) -> CommandOutput {
        let errors = self.home().join("login.stderr");
        let mut command = self.ssod_command();
        command.args(["login", name, "--json", "--no-browser"]).args(flags).env("BROWSER", "/bin/false");
        let login = ChildProcess::start(command.stderr(File::create(&errors).unwrap()));
        let first: Value = serde_json::from_str(&login.next_line()).unwrap();
        let mut stdout = first.to_string();
        if first["event"] != "failed" {
            answer(&first);
            stdout = login.next_line();
        }
        let status = login.wait(LOGIN_LIMIT).expect("ssod login did not end");
        CommandOutput { status, stdout, stderr: fs::read_to_string(errors).unwrap() }
    }

    /// Starts the daemon and waits until it listens.
    pub fn start_daemon(&mut self) {
        self.start_daemon_with(&[]);
    }

    /// Starts the daemon with these variables and waits until it listens.
    pub fn start_daemon_with(&mut self, variables: &[(&str, &str)]) {
        let mut command = self.daemon_command();
        command.envs(variables.iter().copied());
        self.daemon.start(command);
    }

    /// Starts the daemon from a shell command that ends with `exec ssod-daemon`, and waits until it listens.
    pub fn start_daemon_in_shell(&mut self, line: &str) {
        let mut command = self.command("/bin/sh");
        command.args(["-c", line]);
        self.daemon.start(command);
    }
}

/// Removes the lines of the event loop, which hide all others: two for each poll of a test that waits.
fn without_event_loop(log: &str) -> String {
    let is_event_loop = |line: &&str| line.contains("registering event source");
    log.lines().filter(|line| !is_event_loop(line)).collect::<Vec<_>>().join("\n")
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let failed = std::thread::panicking();
        // Each test also checks that no file contains a secret in the clear.
        if !failed {
            leaks::assert_no_secrets(self.home());
        }
        self.stop_daemon_started_by_client();
        if failed {
            // Does not panic if stderr is closed, because the processes must still be ended.
            let log = without_event_loop(&self.daemon.log());
            let _ = writeln!(std::io::stderr(), "the daemon's log, without its event loop:\n{log}");
        }
    }
}

impl Sandbox {
    /// Stops a daemon that `ssod` started. It is not a child of the test, but its lock file contains its process id.
    fn stop_daemon_started_by_client(&self) {
        let lock = self.daemon.state_folder().join("daemon.lock");
        let running = fs::read_to_string(lock).ok().and_then(|pid| pid.trim().parse::<i32>().ok());
        let own = self.daemon.own_pid().and_then(|pid| i32::try_from(pid).ok());
        let Some(pid) = running.filter(|pid| Some(*pid) != own && is_daemon(*pid)).and_then(Pid::from_raw)
        else {
            return;
        };
        let _ = kill_process(pid, Signal::TERM);
        // The daemon writes to the folder until it ends.
        let deadline = Instant::now() + Duration::from_secs(10);
        while is_daemon(pid.as_raw_nonzero().get()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn is_daemon(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "ssod-daemon")
}

/// Copies the programs into a folder of their own, because other users may have no access to the build folder. The home
/// folder is searched for secrets, which takes long in large files.
fn copy_programs() -> TempDir {
    let folder = tempfile::Builder::new().prefix("ssod-programs-").tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["ssod", "ssod-daemon", "fake-identity-center"] {
        let (program, copy) = (programs().join(name), folder.path().join(name));
        // A link takes no time, if both folders are on one file system.
        fs::hard_link(&program, &copy).or_else(|_| fs::copy(&program, &copy).map(drop)).unwrap();
    }
    folder
}
