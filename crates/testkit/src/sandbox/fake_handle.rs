//! The fake Identity Center of a sandbox.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use ssod_fake_identity_center::{FaultKind, LoggedRequest, Replacement};

use crate::http::{approve_browser, approve_device, delete, get, post_json};
use crate::processes::ChildProcess;
use crate::test_user::ACCOUNT;

/// The arguments and the environment with which the fake is started.
#[derive(Clone, Debug, Default)]
pub struct FakeOptions {
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its environment.
    pub variables: Vec<(String, String)>,
}

impl FakeOptions {
    /// Returns options with these arguments.
    pub fn arguments(arguments: &[&str]) -> Self {
        Self {
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            variables: vec![],
        }
    }
}

/// The fake Identity Center of a sandbox: its process, and the routes below `/fake` that change it.
#[derive(Debug)]
pub struct FakeHandle {
    process: ChildProcess,
    url: String,
}

impl FakeHandle {
    /// Starts the fake in that folder of programs, as this user: the daemon sends no secret to another user's listener.
    pub(super) fn start(options: &FakeOptions, programs: &Path, uid: Option<u32>) -> Self {
        let mut command = Command::new(programs.join("fake-identity-center"));
        if let Some(uid) = uid {
            command.uid(uid).gid(uid);
        }
        command.args(&options.arguments).env_clear().envs(options.variables.iter().cloned());
        let process = ChildProcess::start(command.stderr(Stdio::inherit()));
        let url = process.next_line();
        Self { process, url }
    }

    /// Returns the base URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the start URL.
    pub fn start_url(&self) -> String {
        format!("{}/start", self.url)
    }

    /// Returns the AWS config file that the fake suggests.
    pub fn aws_config(&self) -> String {
        get(&format!("{}/fake/aws-config", self.url)).body
    }

    /// Approves a sign-in as the user would in a browser. The event is from `ssod login --json`.
    pub fn approve(&self, event: &Value, user: &str) {
        let page = match event["event"].as_str() {
            Some("browser") => approve_browser(event["url"].as_str().unwrap(), user, true),
            Some("device_code") => approve_device(&self.url, event["code"].as_str().unwrap(), user, true),
            other => panic!("unexpected event {other:?}: {event}"),
        };
        assert_eq!(page.status, 200, "{}", page.body);
    }

    /// Returns every request that the fake has received, oldest first.
    pub fn log(&self) -> Vec<LoggedRequest> {
        serde_json::from_str(&get(&format!("{}/fake/log", self.url)).body).unwrap()
    }

    /// Returns how often the operation was called, whether it succeeded or not.
    pub fn calls(&self, operation: &str) -> usize {
        self.log().iter().filter(|request| request.operation == operation).count()
    }

    /// Returns how often the operation succeeded.
    pub fn successful_calls(&self, operation: &str) -> usize {
        self.log().iter().filter(|request| request.operation == operation && request.status == 200).count()
    }

    /// Advances the fake's clock.
    pub fn advance_clock(&self, by: Duration) {
        self.post("clock", &json!({ "advance_ms": by.as_millis() }));
    }

    /// Ends every portal session.
    pub fn end_sessions(&self) {
        self.post("end-session", &json!({}));
    }

    /// Forgets every client registration.
    pub fn forget_registrations(&self) {
        self.post("forget-registrations", &Value::Null);
    }

    /// Assigns a role to a user.
    pub fn assign(&self, user: &str, role: &str) {
        self.post("add-assignment", &json!({ "user": user, "account": ACCOUNT, "role": role }));
    }

    /// Makes every call of the operation fail in this way until the faults are cleared.
    pub fn add_fault(&self, kind: FaultKind, operation: &str) {
        self.post("fault", &json!({ "kind": kind, "operation": operation }));
    }

    /// Answers the next calls of the operation in AWS's place.
    pub fn replace_answers(&self, operation: &str, times: u32, replacement: &Replacement) {
        self.post(
            "fault",
            &json!({
                "kind": FaultKind::Replace, "operation": operation, "times": times, "replacement": replacement,
            }),
        );
    }

    /// Answers every call of the operation on the account in AWS's place, until the faults are cleared.
    pub fn replace_answers_for(&self, operation: &str, account: &str, replacement: &Replacement) {
        self.post(
            "fault",
            &json!({
                "kind": FaultKind::Replace, "operation": operation, "account": account, "replacement": replacement,
            }),
        );
    }

    /// Delays every answer of the operation, until the faults are cleared.
    pub fn delay(&self, operation: &str, by: Duration) {
        self.post(
            "fault",
            &json!({ "kind": FaultKind::Delay, "operation": operation, "delay_ms": by.as_millis() }),
        );
    }

    /// Throttles the next calls of the operation and asks the client to wait for a second.
    pub fn throttle(&self, operation: &str, times: u32) {
        self.post(
            "fault",
            &json!({ "kind": FaultKind::Throttle, "operation": operation, "times": times, "retry_after": 1 }),
        );
    }

    /// Removes every fault.
    pub fn clear_faults(&self) {
        assert_eq!(delete(&format!("{}/fake/fault", self.url)).status, 204);
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Ends the process, so AWS cannot be reached from now on.
    pub fn stop(&self) {
        self.process.kill();
    }

    fn post(&self, route: &str, message: &Value) {
        let reply = post_json(&format!("{}/fake/{route}", self.url), message);
        assert!(reply.status < 300, "{route}: {} {}", reply.status, reply.body);
    }
}
