//! The audit log names the program of every caller, and never a wrong one (T3, T23).

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;
use ssod_control::{AuditEntry, AuditOutcome, AuditVia};
use ssod_testkit::{ChildProcess, Sandbox, TestUser, get_with, programs, run, wait_until};

/// Connects, forks and ends. The child then sends its request over the connection that it inherited.
const HAND_OVER: &str = r#"
import os, socket, sys, time
control = socket.socket(socket.AF_UNIX)
control.connect(sys.argv[1])
parent = os.getpid()
if os.fork():
    os._exit(0)
while os.getppid() == parent:
    time.sleep(0.01)
body = b'{"profile":"adminUser"}'
control.sendall(b"POST /v1/credentials HTTP/1.0\r\nHost: ssod\r\nssod-api: 1\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
answer = control.recv(65536)
open(sys.argv[2] + ".new", "wb").write(answer[:12])
os.rename(sys.argv[2] + ".new", sys.argv[2])
"#;

/// Sends a request and stays connected, as SDKs do, until it is killed, so the daemon can identify the program.
const STAY_CONNECTED: &str = r#"
import http.client, sys, time
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
connection.request("GET", "/credentials/adminUser", headers={"Authorization": sys.argv[2]})
print(connection.getresponse().status, flush=True)
time.sleep(300)
"#;

/// Asks often on one connection, for one profile after the other, and stays connected.
const KEEP_ASKING: &str = r#"
import http.client, sys, time
port, times, *owners = sys.argv[1:]
connection = http.client.HTTPConnection("127.0.0.1", int(port))
for owner in owners:
    profile, token = owner.split("=", 1)
    for _ in range(int(times)):
        connection.request("GET", "/credentials/" + profile, headers={"Authorization": token})
        response = connection.getresponse()
        response.read()
        assert response.status == 200, response.status
print("asked", flush=True)
time.sleep(300)
"#;

fn by_credential_process(entry: &AuditEntry) -> bool {
    entry.via == AuditVia::CredentialProcess
}

/// Runs `ssod credential-process` from the program, which must be a shell.
fn run_credential_process(sandbox: &Sandbox, shell: &Path) {
    let line = format!("{} credential-process adminUser >/dev/null; true", programs().join("ssod").display());
    run(sandbox.command(shell).args(["-c", &line])).succeeded();
}

#[test]
fn every_protocol_is_audited_with_the_calling_program() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let mut sdk = sandbox.command("/usr/bin/python3");
    sdk.args(["-c", STAY_CONNECTED])
        .arg(sandbox.daemon().port().to_string())
        .arg(sandbox.daemon().token("adminUser"));
    let sdk = ChildProcess::start(&mut sdk);
    assert_eq!(sdk.next_line(), "200");
    let by_tcp = sandbox.daemon().audited("the SDK", |entry| entry.via == AuditVia::Container);
    assert!(
        by_tcp.program.as_ref().unwrap().starts_with("python") && by_tcp.pid == Some(sdk.pid()),
        "{by_tcp:?}"
    );
    assert_eq!(sandbox.daemon().profile("adminUser").unwrap().used_by, by_tcp.program);

    // For credential_process, the audit log names the program that runs ssod.
    let terraform = sandbox.home().join("terraform");
    fs::copy("/bin/sh", &terraform).unwrap();
    run_credential_process(&sandbox, &terraform);
    let by_process = sandbox.daemon().audited("credential_process", by_credential_process);
    assert_eq!(
        (by_process.program.as_deref(), by_process.outcome),
        (Some("terraform"), AuditOutcome::Served)
    );
    assert_eq!(by_process.path.as_deref(), terraform.to_str());

    let output = sandbox.ssod(&["audit"]).succeeded();
    let served = output.lines().filter(|line| line.contains("  served ")).count();
    assert!(served == 2 && output.contains("terraform") && output.starts_with("TIME"), "{output}");
    let json = sandbox.ssod(&["audit", "--json", "-n", "1"]).succeeded();
    assert_eq!(serde_json::from_str::<AuditEntry>(&json).unwrap(), by_process);
    let mode = fs::metadata(sandbox.daemon().audit_file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// Nearly every request repeats the first one of its connection. These are only counted, and the counts are collected
/// later, so the stop must not lose the last ones.
#[test]
fn a_stop_right_after_the_last_of_many_grants_on_one_connection_loses_none() {
    const TIMES: u64 = 300;
    let mut sandbox = Sandbox::new();
    let users = [TestUser::ADMIN, TestUser::READ_ONLY];
    for user in users {
        sandbox.configure(user);
    }
    sandbox.start_daemon();
    for user in users {
        sandbox.login(user).succeeded();
    }
    let owners = users.map(|user| format!("{}={}", user.profile, sandbox.daemon().token(user.profile)));
    let mut sdk = sandbox.command("/usr/bin/python3");
    sdk.args(["-c", KEEP_ASKING, &sandbox.daemon().port().to_string(), &TIMES.to_string()]).args(owners);
    let sdk = ChildProcess::start(&mut sdk);
    assert_eq!(sdk.next_line(), "asked");
    sandbox.daemon().terminate();
    let entries = sandbox.daemon().audit_log();
    for user in users {
        let is_grant = |entry: &&AuditEntry| {
            entry.via == AuditVia::Container && entry.profile.as_deref() == Some(user.profile)
        };
        let grants: Vec<_> = entries.iter().filter(is_grant).collect();
        let counted: u64 = grants.iter().map(|entry| entry.repeated.max(1)).sum();
        assert_eq!(counted, TIMES, "{}: {grants:?}", user.profile);
        assert!(grants.iter().all(|entry| entry.pid == Some(sdk.pid())), "{grants:?}");
        assert!(grants.len() < 30, "{} lines", grants.len());
    }
}

#[test]
fn a_connection_whose_first_process_has_ended_is_audited_without_a_program() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let (socket, answer) = (sandbox.daemon().socket(), sandbox.home().join("answer"));
    run(sandbox.command("/usr/bin/python3").args(["-c", HAND_OVER]).arg(socket).arg(&answer)).succeeded();
    wait_until("the child has its answer", || answer.exists());
    assert_eq!(fs::read_to_string(answer).unwrap(), "HTTP/1.0 200");
    let entry = sandbox.daemon().audited("the child's request", by_credential_process);
    assert_eq!((&entry.program, &entry.path), (&None, &None), "{entry:?}");
    assert!(sandbox.ssod(&["audit"]).succeeded().contains("gone"));
}

/// The share was 2 % when the search began with the oldest process. `curl` ends a millisecond after its answer, so on a
/// loaded machine some runs end first.
#[test]
fn most_short_commands_are_named() {
    const RUNS: usize = 50;
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let header = format!("Authorization: {}", sandbox.daemon().token("adminUser"));
    for _ in 0..RUNS {
        let mut curl = sandbox.command("/usr/bin/curl");
        curl.args(["-s", "-o", "/dev/null", "-H", &header, &sandbox.daemon().credentials_url("adminUser")]);
        run(&mut curl).succeeded();
    }
    sandbox.daemon().terminate();
    let entries = sandbox.daemon().audit_log();
    let by_curl: Vec<_> = entries.iter().filter(|entry| entry.via == AuditVia::Container).collect();
    let runs: u64 = by_curl.iter().map(|entry| entry.repeated.max(1)).sum();
    let named = by_curl.iter().filter(|entry| entry.program.as_deref() == Some("curl")).count();
    assert!(by_curl.iter().all(|entry| entry.program.as_ref().is_none_or(|program| program == "curl")));
    assert!(runs == RUNS as u64 && named * 2 > RUNS, "{named} of {runs} are named");
}

#[test]
fn a_program_name_cannot_forge_an_audit_entry() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let name = "x\n{\"at\":\"2026-01-01T00:00:00Z\",\"outcome\":\"served\",\"profile\":\"rootUser\",\"via\":\"container\"}";
    let program = sandbox.home().join(name);
    fs::copy("/bin/sh", &program).unwrap();
    run_credential_process(&sandbox, &program);
    let entry = sandbox.daemon().audited("the program", by_credential_process);
    assert!(entry.path.unwrap().ends_with(name));
    let text = fs::read_to_string(sandbox.daemon().audit_file()).unwrap();
    assert!(
        text.lines().all(|line| serde_json::from_str::<Value>(line).unwrap()["profile"] == "adminUser"),
        "{text}"
    );
    let output = sandbox.ssod(&["audit"]).succeeded();
    let served = output.lines().filter(|line| line.contains("  served ")).count();
    assert_eq!(served, 1, "the program's name is not in one line: {output}");
    sandbox.ssod(&["audit", "--verify"]).succeeded();
}

#[test]
fn a_thousand_equal_refusals_make_two_entries() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let url = sandbox.daemon().credentials_url("adminUser");
    for _ in 0..1_000 {
        assert_eq!(get_with(&url, &[("authorization", "wrong")]).status, 401);
    }
    sandbox.daemon().terminate();
    let entries = sandbox.daemon().audit_log();
    let refused: Vec<_> = entries.iter().filter(|entry| entry.outcome == AuditOutcome::Refused).collect();
    assert_eq!(refused.len(), 2, "{entries:?}");
    assert_eq!(refused[1].repeated, 999);
}
