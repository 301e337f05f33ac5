//! Refused callers try to remove entries of the audit log with as many refusals as they can make (T28).

use std::fs;
use std::time::Duration;

use ssod_control::{AuditEntry, AuditOutcome, AuditVia, Paths};
use ssod_testkit::{ChildProcess, Sandbox, TestUser};

use super::other_user::endpoint_of;
use super::{ALICE, BOB, python};

const REFUSALS: u64 = 24_000;
const GRANTS: u64 = 40;
/// The budgets of the two logs, each with two files.
const MAX_BYTES: u64 = 2 * 4 * 1024 * 1024;
const MAX_REFUSALS_BYTES: u64 = 2 * 2 * 1024 * 1024;
/// A kind of refusal has six lines a minute, and the flood consists of few kinds.
const MAX_REFUSAL_LINES: usize = 200;

/// Sends requests for invented profiles, each on a connection of its own, or on one connection.
const FLOOD: &str = r#"
import socket, sys
port, count, keep = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "keep"
def connect():
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection
connection, refused, number = connect(), 0, 0
while refused < count:
    number += 1
    connection.sendall(b"GET /credentials/invented-%d HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: guessed\r\n\r\n" % (number, port))
    answer = connection.recv(4096)
    if answer[9:12] in (b"401", b"403", b"404"):
        refused += 1
    if not keep or not answer:
        connection.close()
        connection = connect()
print(refused, flush=True)
"#;

/// Requests credentials, each time on a new connection, and stays until it is killed.
const SDK: &str = r#"
import http.client, sys, time
kept = []
for _ in range(int(sys.argv[3])):
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
    connection.request("GET", "/credentials/adminUser", headers={"Authorization": sys.argv[2]})
    answer = connection.getresponse()
    assert answer.status == 200, answer.status
    answer.read()
    kept.append(connection)
    time.sleep(0.05)
print("done", flush=True)
time.sleep(300)
"#;

/// Returns a sandbox of alice whose daemon does not log each request.
fn quiet_daemon() -> Sandbox {
    let mut sandbox = Sandbox::of_user(ALICE);
    sandbox.configure(TestUser::ADMIN);
    sandbox.start_daemon_with(&[("SSOD_LOG", "info")]);
    sandbox.login(TestUser::ADMIN).succeeded();
    sandbox
}

/// Lets alice's SDK get credentials while these users flood the endpoint, and checks that the log has all of it.
fn assert_no_grant_is_hidden(floods: &[(u32, &str)]) {
    let sandbox = quiet_daemon();
    let (port, token) = (sandbox.daemon().port().to_string(), endpoint_of(&sandbox).1);
    // What happened before the flood is the first thing that it would remove.
    let before = ChildProcess::start(&mut python(ALICE, SDK, &[&port, &token, "1"]));
    assert_eq!(before.next_line(), "done");
    let count = (REFUSALS / floods.len() as u64).to_string();
    let flooding: Vec<_> = floods
        .iter()
        .map(|(user, keep)| ChildProcess::start(&mut python(*user, FLOOD, &[&port, &count, keep])))
        .collect();
    let sdk = ChildProcess::start(&mut python(ALICE, SDK, &[&port, &token, &GRANTS.to_string()]));
    assert_eq!(sdk.next_line(), "done");
    for flood in flooding {
        assert_eq!(flood.wait(Duration::from_mins(2)), Some(0));
        assert_eq!(flood.next_line(), count);
    }
    // Makes the daemon write what it has in memory.
    sandbox.ssod(&["audit"]).succeeded();
    let entries = sandbox.daemon().audit_log();
    let granted = |pid: u32| {
        let lines =
            entries.iter().filter(|entry| entry.outcome == AuditOutcome::Served && entry.pid == Some(pid));
        let named =
            |entry: &&AuditEntry| entry.program.as_ref().is_some_and(|name| name.starts_with("python"));
        lines.filter(named).map(|entry| entry.repeated.max(1)).sum::<u64>()
    };
    let grants = entries.iter().filter(|entry| entry.outcome == AuditOutcome::Served).collect::<Vec<_>>();
    assert_eq!((granted(before.pid()), granted(sdk.pid())), (1, GRANTS), "{grants:?}");
    let refusals: Vec<_> = entries
        .iter()
        .filter(|entry| entry.outcome == AuditOutcome::Refused && entry.via == AuditVia::Container)
        .collect();
    let counted: u64 = refusals.iter().map(|entry| entry.repeated.max(1) + entry.lost).sum();
    assert!(counted >= REFUSALS, "{counted} refusals are in lines and counts");
    assert!(refusals.len() < MAX_REFUSAL_LINES, "{} lines of refusals", refusals.len());
    for (log, budget) in
        [(sandbox.daemon().audit_file(), MAX_BYTES), (sandbox.daemon().refusals_file(), MAX_REFUSALS_BYTES)]
    {
        let size = |path| fs::metadata(path).map_or(0, |file| file.len());
        assert!(size(&log) + size(&Paths::before(&log)) <= budget, "{}", log.display());
    }
    sandbox.ssod(&["audit", "--verify"]).succeeded();
}

#[test]
fn bobs_refusals_hide_no_grant() {
    assert_no_grant_is_hidden(&[(BOB, "close"), (BOB, "close")]);
}

#[test]
fn refusals_of_alices_own_processes_hide_no_grant() {
    assert_no_grant_is_hidden(&[(ALICE, "close"), (ALICE, "keep")]);
}
