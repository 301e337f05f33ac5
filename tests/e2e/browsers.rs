//! Web pages in a real Chromium attack the endpoint (T4, T5, T6): a foreign web site, DNS rebinding, and a page on
//! loopback.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use ssod_control::AuditOutcome;
use ssod_testkit::{ChildProcess, Sandbox, TestUser, run_with_input};

use crate::clients::interop_file;

#[test]
fn no_web_page_reads_or_changes_anything() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    sandbox.ssod(&["use", "adminUser"]).succeeded();
    let served = sandbox.daemon().credentials("adminUser").json();
    let before = sandbox.daemon().status();
    let mut command = Command::new("/usr/bin/python3");
    command
        .arg(interop_file("browser_attack.py"))
        .args(["--victim-port", &sandbox.daemon().port().to_string(), "--compact"])
        // The pages take some seconds, but Chromium may start slowly on a loaded machine.
        .args(["--timeout", "120"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", sandbox.home())
        .env("XDG_RUNTIME_DIR", sandbox.home());
    let secrets = ["SecretAccessKey", "Token", "AccessKeyId"].map(|name| served[name].as_str().unwrap());
    let attack = run_with_input(&mut command, &secrets.join("\n"));
    let report: Value = serde_json::from_str(&attack.stdout).unwrap_or_else(|_| panic!("{attack:?}"));
    assert!(report["ok"] == true && report["clean"] == true, "not every page finished: {report}");
    for page in ["evil", "rebind", "loopback"] {
        let control = &report["controls"][format!("{page}.control")];
        assert_eq!(control, "read", "{page} cannot read what it is allowed to read: {report}");
    }
    assert_eq!(report["leaks"], json!([]), "{report}");
    assert!(report["spliced_connections"].as_u64().unwrap() >= 1, "rebinding did not reach the endpoint");
    let answers = report["read"].as_object().unwrap();
    let successes: Vec<_> =
        answers.iter().filter(|(_, detail)| detail.as_str().unwrap().starts_with("HTTP 200")).collect();
    assert!(successes.is_empty(), "{successes:?}");

    // The requests arrived, and each was refused for the right reason.
    for reason in ["it is a web browser", "Host must be 127.0.0.1"] {
        sandbox.daemon().audited(reason, |entry| {
            entry.outcome == AuditOutcome::Refused && entry.reason.as_ref().unwrap().contains(reason)
        });
    }
    let after = sandbox.daemon().status();
    assert_eq!((before.active, before.sessions[0].state), (after.active, after.sessions[0].state));
}

/// Gets credentials, and returns the connection.
fn request_credentials(port: u16, token: &str) -> TcpStream {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head = format!(
        "GET /credentials/adminUser HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: {token}\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).unwrap();
    let mut answer = [0; 4096];
    let length = connection.read(&mut answer).unwrap();
    assert!(answer[..length].starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer[..length]));
    connection
}

/// A page can send requests as alice's browser, which has her uid, and choose the names in them.
#[test]
fn a_page_that_floods_the_endpoint_hides_no_grant() {
    const SECONDS: &str = "10";
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let served = || {
        let log = sandbox.daemon().audit_log().into_iter();
        let served = log.filter(|entry| entry.outcome == AuditOutcome::Served && entry.program.is_some());
        served.map(|entry| entry.repeated.max(1)).sum::<u64>()
    };
    let mut command = Command::new("/usr/bin/python3");
    let port = sandbox.daemon().port().to_string();
    command.arg(interop_file("browser_flood.py")).args([&port, SECONDS]).env_clear();
    let flood = ChildProcess::start(&mut command);
    let token = sandbox.daemon().token("adminUser");
    // SDKs keep their connections, so their programs can be found.
    let mut connections = Vec::new();
    let sent = loop {
        connections.push(request_credentials(sandbox.daemon().port(), &token));
        std::thread::sleep(Duration::from_millis(100));
        if flood.wait(Duration::ZERO).is_some() {
            break flood.next_line().parse::<u64>().unwrap();
        }
    };
    assert!(sent > 500, "the page sent only {sent} requests");
    sandbox.ssod(&["audit"]).succeeded();
    assert_eq!(served(), connections.len() as u64, "not every grant is in the log with its program");
    let refusals = fs::read_to_string(sandbox.daemon().refusals_file()).unwrap();
    assert!(refusals.lines().count() < 100, "{} lines for {sent} requests", refusals.lines().count());
    sandbox.ssod(&["audit", "--verify"]).succeeded();
}
