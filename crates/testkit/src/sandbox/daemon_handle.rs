//! The daemon of a sandbox.

use std::fs::{self, OpenOptions};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Map, Value};
use ssod_control::{AuditEntry, ControlClient, ProfileStatus, Status};

use super::environment::ProgramEnvironment;
use crate::http::{Reply, get_with};
use crate::processes::ChildProcess;
use crate::wait::wait_until;

/// The size of an empty cache of role credentials, which has only the header of a sealed file.
const EMPTY_CACHE_BYTES: u64 = 200;

/// The daemon of a sandbox, as its clients see it, and its process.
#[derive(Debug)]
pub struct DaemonHandle {
    process: Option<ChildProcess>,
    environment: ProgramEnvironment,
    port: u16,
}

impl DaemonHandle {
    pub(super) fn new(environment: ProgramEnvironment, port: u16) -> Self {
        Self { process: None, environment, port }
    }

    pub(super) fn start(&mut self, mut command: Command) {
        let log = OpenOptions::new().create(true).append(true).open(self.log_file()).unwrap();
        // A test may have set its own log level in the command.
        if command.get_envs().all(|(name, _)| name != "SSOD_LOG") {
            command.env("SSOD_LOG", "trace");
        }
        self.process = Some(ChildProcess::start(command.stderr(log)));
        wait_until("the daemon listens", || UnixStream::connect(self.socket()).is_ok());
    }

    /// Returns the port of the endpoint.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the path of the control socket.
    pub fn socket(&self) -> PathBuf {
        self.runtime_folder().join("control.sock")
    }

    /// Returns the folder that does not survive a reboot. It contains the socket and the token files.
    pub fn runtime_folder(&self) -> PathBuf {
        self.environment.home.join("run/ssod")
    }

    /// Returns the folder that survives a reboot.
    pub fn state_folder(&self) -> PathBuf {
        self.environment.home.join(".local/state/ssod")
    }

    /// Returns the folder of the vault.
    pub fn vault_folder(&self) -> PathBuf {
        self.state_folder().join("vault")
    }

    /// Returns the output of `ssod status`, which starts the daemon if it does not run.
    pub fn status(&self) -> Status {
        serde_json::from_str(&self.environment.ssod(&["status", "--json"]).succeeded()).unwrap()
    }

    /// Returns the status of a profile, if the daemon knows it.
    pub fn profile(&self, name: &str) -> Option<ProfileStatus> {
        self.status().profiles.into_iter().find(|profile| profile.name == name)
    }

    /// Returns the problems that `ssod status` shows.
    pub fn problems(&self) -> Vec<String> {
        self.status().daemon.problems
    }

    /// Reads the AWS config file and the settings again.
    pub fn reload(&self) {
        ControlClient::new(&self.socket()).post::<()>("/v1/reload", &()).unwrap();
    }

    /// Returns the variables that `ssod env` sets; `None` for those that it unsets.
    pub fn env(&self, arguments: &[&str]) -> Vec<(String, Option<String>)> {
        let output = self.environment.ssod(&[&["env", "--shell", "json"], arguments].concat()).succeeded();
        let variables: Map<String, Value> = serde_json::from_str(&output).unwrap();
        variables.into_iter().map(|(name, value)| (name, value.as_str().map(str::to_owned))).collect()
    }

    /// Returns the value that `ssod env` sets a variable to.
    #[track_caller]
    pub fn variable(&self, profile: &str, name: &str) -> String {
        let variables = self.env(&[profile]);
        let value = variables.into_iter().find(|(known, _)| known == name).and_then(|(_, value)| value);
        value.unwrap_or_else(|| panic!("ssod env {profile} does not set {name}"))
    }

    /// Returns the URL of a profile's container credentials.
    pub fn credentials_url(&self, profile: &str) -> String {
        format!("http://127.0.0.1:{}/credentials/{profile}", self.port)
    }

    /// Returns the authorization token of a profile, from its file.
    pub fn token(&self, profile: &str) -> String {
        fs::read_to_string(self.token_file(profile)).unwrap()
    }

    /// Returns the path of the file with a profile's authorization token. The daemon writes it for the first shell that
    /// asks for it.
    pub fn token_file(&self, profile: &str) -> PathBuf {
        let file = self.runtime_folder().join(format!("tokens/profile-{profile}"));
        if !file.exists() {
            // It fails if the daemon has no such profile; the caller then finds no file.
            self.environment.ssod(&["env", profile]);
        }
        file
    }

    /// Requests a profile's container credentials with its token.
    pub fn credentials(&self, profile: &str) -> Reply {
        self.credentials_with_token(profile, &self.token(profile))
    }

    /// Requests a profile's container credentials with this token.
    pub fn credentials_with_token(&self, profile: &str, token: &str) -> Reply {
        get_with(&self.credentials_url(profile), &[("authorization", token)])
    }

    /// Waits until role credentials are saved in the vault. The daemon saves them some time after it fetched them.
    pub fn wait_until_credentials_are_saved(&self) {
        let cache = self.vault_folder().join("role-credentials.sealed");
        wait_until("role credentials are saved", || {
            fs::metadata(&cache).is_ok_and(|facts| facts.len() > EMPTY_CACHE_BYTES)
        });
    }

    /// Returns the daemon's log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.environment.home.join("daemon.log")
    }

    /// Returns the path of the audit log with what callers got and changed.
    pub fn audit_file(&self) -> PathBuf {
        self.state_folder().join("audit.jsonl")
    }

    /// Returns the path of the audit log with the refusals.
    pub fn refusals_file(&self) -> PathBuf {
        self.state_folder().join("audit-refused.jsonl")
    }

    /// Returns the entries of both audit logs, the refusals last.
    pub fn audit_log(&self) -> Vec<AuditEntry> {
        let text = |path| fs::read_to_string(path).unwrap_or_default();
        let both = text(self.audit_file()) + &text(self.refusals_file());
        both.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits for an entry in the audit log and returns it.
    #[track_caller]
    pub fn audited(&self, description: &str, is_match: impl Fn(&AuditEntry) -> bool) -> AuditEntry {
        let find = || self.audit_log().into_iter().find(&is_match);
        wait_until(&format!("the audit log has {description}"), || find().is_some());
        find().unwrap()
    }

    /// Returns the process id of the daemon that the sandbox started.
    pub fn pid(&self) -> u32 {
        self.process().pid()
    }

    /// Sends a signal to the daemon that the sandbox started.
    pub fn signal(&self, signal: Signal) {
        self.process().signal(signal);
    }

    /// Sends SIGTERM to the daemon that the sandbox started, waits for its end, and returns its exit status.
    pub fn terminate(&self) -> i32 {
        self.signal(Signal::TERM);
        self.process().wait(Duration::from_secs(30)).expect("the daemon did not end")
    }

    /// Kills the daemon that the sandbox started, as in a crash.
    pub fn kill(&self) {
        self.process().kill();
    }

    /// Returns the process id of the daemon that the sandbox started, if it did.
    pub(super) fn own_pid(&self) -> Option<u32> {
        self.process.as_ref().map(ChildProcess::pid)
    }

    fn process(&self) -> &ChildProcess {
        self.process.as_ref().expect("the sandbox has not started a daemon")
    }
}
