//! A home of its own, a fake Identity Center, and a daemon in it.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::{Reply, approve_browser, approve_device, delete, get, get_with, post_json};
use crate::leaks;
use crate::processes::{Finished, Running, programs, run};

/// The fake's account, which is moto's too.
pub const ACCOUNT: &str = "123456789012";

/// Somebody with a session and a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person {
    /// The fake's user.
    pub user: &'static str,
    /// The profile.
    pub profile: &'static str,
    /// The session.
    pub session: &'static str,
    /// The role.
    pub role: &'static str,
}

impl Person {
    /// alice, who administers.
    pub const ADMIN: Self =
        Self { user: "alice", profile: "adminUser", session: "sso-session-adminUser", role: "AdminRole" };
    /// bob, who looks.
    pub const READ_ONLY: Self = Self {
        user: "bob",
        profile: "readOnlyUser",
        session: "sso-session-readOnlyUser",
        role: "ReadOnlyRole",
    };
}

/// How the fake is started.
#[derive(Clone, Debug, Default)]
pub struct FakeOptions {
    /// Further arguments.
    pub arguments: Vec<String>,
    /// Further variables.
    pub variables: Vec<(String, String)>,
}

/// Everything is in one temporary folder and ends with this.
pub struct Sandbox {
    daemon: Option<Running>,
    fake: Option<Running>,
    fake_url: String,
    /// Another user than the test's, as whom everything but the fake runs.
    user: Option<u32>,
    programs: PathBuf,
    /// After the processes, which still write to it: fields end in this order.
    home: TempDir,
    /// The endpoint's port.
    pub port: u16,
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Sandbox {
    /// With a fake as it comes.
    pub fn new() -> Self {
        Self::with_fake(&FakeOptions::default())
    }

    /// With a fake whose lives are so long.
    pub fn with_lives(lives: &str) -> Self {
        let flags = ["--access-token-life", "--role-life"];
        let arguments = flags.iter().flat_map(|flag| [(*flag).to_owned(), lives.to_owned()]).collect();
        Self::with_fake(&FakeOptions { arguments, ..FakeOptions::default() })
    }

    /// In which another user than the test's lives, so that the test can be a third one. Needs root.
    pub fn of_user(user: u32) -> Self {
        let mut sandbox = Self::new();
        // The programs may lie where only root may go.
        let folder = sandbox.home().join("bin");
        fs::create_dir(&folder).unwrap();
        for name in ["ssod", "ssod-daemon"] {
            fs::copy(programs().join(name), folder.join(name)).unwrap();
        }
        sandbox.programs = folder;
        sandbox.user = Some(user);
        sandbox.hand_over();
        sandbox
    }

    /// With a fake of that kind.
    pub fn with_fake(options: &FakeOptions) -> Self {
        let home = tempfile::Builder::new().prefix("ssod-test-").tempdir().unwrap();
        fs::DirBuilder::new().mode(0o700).create(home.path().join("run")).unwrap();
        let mut command = Command::new(programs().join("fake-identity-center"));
        command.args(&options.arguments).env_clear().envs(options.variables.iter().cloned());
        let fake = Running::start(command.stderr(Stdio::inherit()));
        let fake_url = fake.line();
        let (user, programs) = (None, programs());
        let sandbox =
            Self { home, fake: Some(fake), fake_url, daemon: None, user, programs, port: free_port() };
        sandbox.settings("");
        sandbox
    }

    /// With a running daemon in which that person has signed in.
    pub fn signed_in(person: Person) -> Self {
        let mut sandbox = Self::new();
        sandbox.configure(person);
        sandbox.start_daemon();
        sandbox.login(person).succeeded();
        sandbox
    }

    /// The home folder.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The AWS config file.
    pub fn aws_config(&self) -> PathBuf {
        self.home().join(".aws/config")
    }

    /// The state folder.
    pub fn state(&self) -> PathBuf {
        self.home().join(".local/state/ssod")
    }

    /// The fake's base URL.
    pub fn fake_url(&self) -> &str {
        &self.fake_url
    }

    /// The fake's start URL.
    pub fn start_url(&self) -> String {
        format!("{}/start", self.fake_url)
    }

    /// Writes `config.toml`: the sandbox's own port and key file, and what is given.
    pub fn settings(&self, more: &str) {
        let folder = self.home().join(".config/ssod");
        fs::create_dir_all(&folder).unwrap();
        let text = format!("[endpoint]\nport = {}\n[vault]\nkey = \"file\"\n{more}", self.port);
        fs::write(folder.join("config.toml"), text).unwrap();
        self.hand_over();
    }

    /// Writes the whole `config.toml`.
    pub fn settings_as_they_are(&self, text: &str) {
        fs::write(self.home().join(".config/ssod/config.toml"), text).unwrap();
        self.hand_over();
    }

    /// Gives everything in the home to the sandbox's user.
    fn hand_over(&self) {
        let Some(user) = self.user else { return };
        let mut folders = vec![self.home().to_owned()];
        while let Some(path) = folders.pop() {
            std::os::unix::fs::lchown(&path, Some(user), Some(user)).unwrap();
            if path.symlink_metadata().unwrap().is_dir() {
                folders.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
        }
    }

    /// A command in the sandbox's environment and no other.
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
            .env_clear()
            .env("HOME", self.home())
            .env("XDG_RUNTIME_DIR", self.home().join("run"))
            .env("PATH", format!("{}:/usr/bin:/bin", self.programs.display()))
            .env("AWS_ENDPOINT_URL_SSO", &self.fake_url)
            .env("AWS_ENDPOINT_URL_SSO_OIDC", &self.fake_url)
            // A call that strays past the sandbox must fail, not leave the machine.
            .env("AWS_PAGER", "")
            .current_dir(self.home());
        command
    }

    /// Runs `ssod` to its end.
    pub fn ssod(&self, arguments: &[&str]) -> Finished {
        run(self.command(self.programs.join("ssod")).args(arguments))
    }

    /// Writes that person's session and profile.
    pub fn configure(&self, person: Person) {
        let start_url = self.start_url();
        self.ssod(&[
            "configure",
            "--profile",
            person.profile,
            "--session",
            person.session,
            "--start-url",
            &start_url,
            "--region",
            "us-east-1",
            "--account",
            ACCOUNT,
            "--role",
            person.role,
        ])
        .succeeded();
    }

    /// Signs that person in by the browser.
    pub fn login(&self, person: Person) -> Finished {
        self.login_by(person.profile, &[], |event, fake| {
            let page = match event["event"].as_str() {
                Some("browser") => approve_browser(event["url"].as_str().unwrap(), person.user, true),
                Some("device_code") => {
                    approve_device(fake, event["code"].as_str().unwrap(), person.user, true)
                }
                other => panic!("unexpected event {other:?}: {event}"),
            };
            assert_eq!(page.status, 200, "{}", page.body);
        })
    }

    /// Runs `ssod login --json --no-browser` and lets the test answer its first event.
    pub fn login_by(&self, name: &str, flags: &[&str], answer: impl FnOnce(&Value, &str)) -> Finished {
        let errors = self.home().join("login.stderr");
        let mut command = self.command(self.programs.join("ssod"));
        command.args(["login", name, "--json", "--no-browser"]).args(flags).env("BROWSER", "/bin/false");
        let mut login = Running::start(command.stderr(fs::File::create(&errors).unwrap()));
        let first: Value = serde_json::from_str(&login.line()).unwrap();
        let mut stdout = first.to_string();
        if first["event"] != "failed" {
            answer(&first, &self.fake_url);
            stdout = login.line();
        }
        let status = login.wait(Duration::from_secs(20)).expect("the login ends");
        Finished { status, stdout, stderr: fs::read_to_string(errors).unwrap() }
    }

    /// Starts the daemon and waits until it answers.
    pub fn start_daemon(&mut self) {
        self.start_daemon_with(&[]);
    }

    /// The same with further variables.
    pub fn start_daemon_with(&mut self, variables: &[(&str, &str)]) {
        let log =
            fs::OpenOptions::new().create(true).append(true).open(self.home().join("daemon.log")).unwrap();
        let mut command = self.command(self.programs.join("ssod-daemon"));
        command.env("SSOD_LOG", "trace").envs(variables.iter().copied()).stderr(log);
        self.started(Running::start(&mut command));
    }

    /// Starts the daemon by a line of shell that ends in `exec ssod-daemon`.
    pub fn start_daemon_by(&mut self, line: &str) {
        let log =
            fs::OpenOptions::new().create(true).append(true).open(self.home().join("daemon.log")).unwrap();
        let mut command = self.command("/bin/sh");
        command.args(["-c", line]).env("SSOD_LOG", "trace").stderr(log);
        self.started(Running::start(&mut command));
    }

    fn started(&mut self, daemon: Running) {
        self.daemon = Some(daemon);
        let socket = self.home().join("run/ssod/control.sock");
        self.eventually("the daemon listens", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
    }

    /// The daemon that [`start_daemon`](Self::start_daemon) started.
    pub fn daemon(&mut self) -> &mut Running {
        self.daemon.as_mut().expect("a daemon was started")
    }

    /// What the daemon logged.
    pub fn daemon_log(&self) -> String {
        fs::read_to_string(self.home().join("daemon.log")).unwrap_or_default()
    }

    /// The audit log, once something of that kind is in it.
    pub fn audited(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let path = self.state().join("audit.jsonl");
        let find = || {
            let text = fs::read_to_string(&path).unwrap_or_default();
            let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            lines.find(|line| wanted(line))
        };
        self.eventually(&format!("the audit log has {what}"), || find().is_some());
        find().unwrap()
    }

    /// The fake.
    pub fn fake(&mut self) -> &mut Running {
        self.fake.as_mut().expect("the fake runs")
    }

    /// Ends the fake.
    pub fn stop_fake(&mut self) {
        self.fake = None;
    }

    /// Tells the fake something at `/fake/WHAT`.
    pub fn tell_fake(&self, what: &str, message: &Value) {
        let reply = post_json(&format!("{}/fake/{what}", self.fake_url), message);
        assert!(reply.status < 300, "{what}: {} {}", reply.status, reply.body);
    }

    /// Makes the fake's calls go wrong.
    pub fn fault(&self, kind: &str, operation: &str) {
        self.tell_fake("fault", &json!({ "kind": kind, "operation": operation }));
    }

    /// Makes nothing go wrong any more.
    pub fn clear_faults(&self) {
        assert_eq!(delete(&format!("{}/fake/fault", self.fake_url)).status, 204);
    }

    /// How often the fake answered that operation with success.
    pub fn count(&self, operation: &str) -> usize {
        let log = get(&format!("{}/fake/log", self.fake_url)).json();
        let entries = log.as_array().unwrap().iter();
        entries.filter(|entry| entry["operation"] == operation && entry["status"] == 200).count()
    }

    /// How often it was asked for that, whatever the answer.
    pub fn tried(&self, operation: &str) -> usize {
        let log = get(&format!("{}/fake/log", self.fake_url)).json();
        log.as_array().unwrap().iter().filter(|entry| entry["operation"] == operation).count()
    }

    /// `ssod status --json`.
    pub fn status(&self) -> Value {
        serde_json::from_str(&self.ssod(&["status", "--json"]).succeeded()).unwrap()
    }

    /// That profile in it.
    pub fn profile_status(&self, name: &str) -> Value {
        let status = self.status();
        let found = status["profiles"].as_array().unwrap().iter().find(|profile| profile["name"] == name);
        found.cloned().unwrap_or(Value::Null)
    }

    /// What `ssod env NAME` sets and unsets; null means unset.
    pub fn env(&self, arguments: &[&str]) -> Vec<(String, Option<String>)> {
        let text = self.ssod(&[&["env", "--shell", "json"], arguments].concat()).succeeded();
        let object: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
        object.into_iter().map(|(name, value)| (name, value.as_str().map(str::to_owned))).collect()
    }

    /// One request to the container endpoint with that profile's own token.
    pub fn credentials(&self, profile: &str) -> Reply {
        let token =
            fs::read_to_string(self.home().join(format!("run/ssod/tokens/profile-{profile}"))).unwrap();
        let url = format!("http://127.0.0.1:{}/credentials/{profile}", self.port);
        get_with(&url, &[("authorization", &token)])
    }

    /// Waits until it is so, for 15 seconds at most.
    #[track_caller]
    pub fn eventually(&self, what: &str, so: impl Fn() -> bool) {
        self.eventually_within(15, what, so);
    }

    /// Waits until it is so, for so many seconds at most.
    #[track_caller]
    pub fn eventually_within(&self, seconds: u64, what: &str, so: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        while !so() {
            assert!(Instant::now() < deadline, "never: {what}\n{}", self.daemon_log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // Whatever a test was about, no secret may lie in its home in the clear.
        if !std::thread::panicking() {
            leaks::assert_none(self.home());
        }
        // A daemon that a command started is not our child; its lock names it while it lives.
        let lock = self.state().join("daemon.lock");
        let started = fs::read_to_string(lock).ok().and_then(|pid| pid.trim().parse::<i32>().ok());
        let own = self.daemon.as_ref().and_then(|daemon| i32::try_from(daemon.pid()).ok());
        if let Some(pid) = started.filter(|pid| Some(*pid) != own && is_daemon(*pid))
            && let Some(pid) = rustix::process::Pid::from_raw(pid)
        {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            // It writes once more as it ends, and the folder must not be removed before.
            let deadline = Instant::now() + Duration::from_secs(3);
            while is_daemon(pid.as_raw_nonzero().get()) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        if std::thread::panicking() {
            // A failed test shows what the daemon said; a closed stderr must not keep the processes from being ended.
            let _ = writeln!(std::io::stderr(), "the daemon's log:\n{}", self.daemon_log());
        }
    }
}

fn is_daemon(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "ssod-daemon")
}

/// A port that nobody has, outside of the range from which the kernel gives ports to whoever asks for any.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let seed = std::process::id().wrapping_mul(7_919) % 12_000;
        let offset = u16::try_from(seed).unwrap().wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        let port = 20_000 + offset;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
