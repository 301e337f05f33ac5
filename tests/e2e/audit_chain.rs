//! The audit log names who changed what, and `ssod audit --verify` finds every line that another program changed (T23).

use std::fs;
use std::path::Path;

use ssod_control::AuditAction::{Env, Lock, Login, Logout, Move, Rekey, Unlock, Use};
use ssod_control::AuditOutcome::{Done, Refused};
use ssod_control::{AuditAction, AuditEntry, ChainHead, ChainedLine, Paths, chain_line};
use ssod_testkit::{Sandbox, TestUser, run, wait_until};

/// Sends a request to the control socket, and ends without waiting for the answer.
const SEND_AND_LEAVE: &str = r#"
import socket, sys, time
control = socket.socket(socket.AF_UNIX)
control.connect(sys.argv[1])
control.sendall(b"POST /v1/%s HTTP/1.0\r\nHost: ssod\r\nssod-api: 1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (sys.argv[2].encode(), len(sys.argv[3]), sys.argv[3].encode()))
time.sleep(0.05)
control.close()
"#;

/// Returns a sandbox whose log has several lines.
fn with_entries() -> Sandbox {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    for _ in 0..3 {
        sandbox.ssod(&["use", "adminUser", "--for", "15m"]).succeeded();
        assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
    }
    for name in ["missing", "wrong"] {
        sandbox.ssod(&["use", name]).failed_with(1);
    }
    assert_intact(&sandbox);
    sandbox
}

fn assert_intact(sandbox: &Sandbox) -> String {
    let text = sandbox.ssod(&["audit", "--verify"]).succeeded();
    assert!(text.contains("The audit log is intact"), "{text}");
    text
}

/// Returns what `ssod audit --verify` prints about a log that was changed.
fn assert_changed(sandbox: &Sandbox) -> String {
    let output = sandbox.ssod(&["audit", "--verify"]);
    let text = output.stdout.clone();
    assert!(output.failed_with(1).contains("The audit log was changed by another program"), "{text}");
    text
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

fn write(path: &Path, lines: &[String]) {
    // Not replaced but changed, so that the daemon continues to write to it.
    fs::write(path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}

#[test]
fn a_changed_removed_or_inserted_line_is_found_with_its_file_and_number() {
    let sandbox = with_entries();
    for log in [sandbox.daemon().audit_file(), sandbox.daemon().refusals_file()] {
        let intact = lines(&log);
        let last = intact.len() - 1;
        let with_change = |at: usize| {
            let mut lines = intact.clone();
            lines[at] = lines[at].replacen("adminUser", "otherUser", 1).replacen("wrong", "other", 1);
            assert_ne!(lines[at], intact[at]);
            lines
        };
        let without = |at: usize| {
            let mut lines = intact.clone();
            lines.remove(at);
            lines
        };
        let with = |at: usize, line: &str| {
            let mut lines = intact.clone();
            lines.insert(at, line.to_owned());
            lines
        };
        let mut changes = vec![
            (with_change(last), format!("line {}: it was changed", last + 1)),
            (without(last), format!("line {last}: 1 line is missing after it")),
            (with(last + 1, &intact[last]), format!("line {}: it was inserted", last + 2)),
            (with(last, "{\"outcome\":\"served\"}"), format!("line {}: ssod did not write it", last + 1)),
        ];
        changes.push((without(0), "line 1: 1 line is missing before it".to_owned()));
        if last > 1 {
            changes.push((without(1), "line 2: 1 line is missing before it".to_owned()));
        }
        for (lines, expected) in changes {
            write(&log, &lines);
            let text = assert_changed(&sandbox);
            let expected = format!("{}, {expected}", log.display());
            assert!(text.contains(&expected), "{expected} is not in: {text}");
        }
        write(&log, &[]);
        let text = assert_changed(&sandbox);
        assert!(
            text.contains(&format!("{}: {} lines are missing after it", log.display(), last + 1)),
            "{text}"
        );
        write(&log, &intact);
        assert_intact(&sandbox);
    }
}

/// A program of the user can write the whole log again. The running daemon knows its own newest entry.
#[test]
fn a_log_that_was_written_again_is_found_while_the_daemon_runs() {
    let sandbox = with_entries();
    let log = sandbox.daemon().audit_file();
    let mut head = ChainHead::genesis();
    let mut forged = Vec::new();
    for line in lines(&log) {
        let mut entry = ChainedLine::parse(line.as_bytes()).unwrap().entry;
        entry.program = Some("innocent".to_owned());
        let (line, chain) = chain_line(&entry, &head.chain).unwrap();
        head = ChainHead { seq: entry.seq, chain, ..head };
        forged.push(line);
    }
    write(&log, &forged);
    fs::write(Paths::chain_head(&log), serde_json::to_vec(&head).unwrap()).unwrap();
    let text = assert_changed(&sandbox);
    assert!(text.contains("the daemon wrote another entry with this number"), "{text}");
    // What the daemon writes from now on shows it, too, even after a restart.
    sandbox.ssod(&["use", "--none"]).succeeded();
    sandbox.ssod(&["audit"]).succeeded();
    sandbox.daemon().terminate();
    assert_changed(&sandbox);
}

#[test]
fn the_chain_survives_restarts_and_kills() {
    let mut sandbox = with_entries();
    for round in 0..4 {
        if round % 2 == 0 {
            sandbox.daemon().kill();
        } else {
            assert_eq!(sandbox.daemon().terminate(), 0);
        }
        assert!(assert_intact(&sandbox).contains("No daemon runs"));
        sandbox.start_daemon();
        sandbox.ssod(&["use", "adminUser"]).succeeded();
        assert_intact(&sandbox);
    }
    // A kill while the daemon writes a line cuts it off.
    let log = sandbox.daemon().audit_file();
    let before = lines(&log).len();
    sandbox.ssod(&["use", "--none"]).succeeded();
    wait_until("the daemon has written the line", || lines(&log).len() > before);
    sandbox.daemon().kill();
    let text = fs::read(&log).unwrap();
    fs::write(&log, &text[..text.len() - 30]).unwrap();
    assert!(assert_intact(&sandbox).contains("1 incomplete line, because the daemon was ended"));
    sandbox.start_daemon();
    sandbox.ssod(&["use", "--none"]).succeeded();
    assert!(assert_intact(&sandbox).contains("1 incomplete line"));
    // A clean stop records the newest entry, so the end of the log cannot be removed unnoticed.
    sandbox.daemon().terminate();
    let mut cut = lines(&log);
    cut.pop();
    write(&log, &cut);
    assert!(assert_changed(&sandbox).contains("1 line is missing after it"));
    sandbox.start_daemon();
    sandbox.ssod(&["use", "adminUser"]).succeeded();
    assert!(
        assert_changed(&sandbox).contains("1 line is missing before it"),
        "the next daemon keeps the gap"
    );
}

#[test]
fn actions_are_audited_with_the_program_and_the_outcome() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let shell = sandbox.home().join("terraform");
    fs::copy("/bin/sh", &shell).unwrap();
    let by_terraform = |arguments: &str| {
        let line = format!("{} {arguments} >/dev/null 2>&1; true", sandbox.ssod_program());
        run(sandbox.command(&shell).args(["-c", &line])).succeeded();
    };
    let actions = [
        ("use adminUser --for 15m", Use, Done, Some("adminUser"), "for 900 seconds"),
        ("env adminUser --shell json", Env, Done, Some("adminUser"), ""),
        ("lock", Lock, Done, None, ""),
        ("env adminUser", Env, Refused, Some("adminUser"), "Locked"),
        ("unlock", Unlock, Done, None, ""),
        ("vault rekey", Rekey, Done, None, ""),
        ("vault move file", Move, Refused, None, "is in file already"),
        ("use missing", Use, Refused, Some("missing"), "ProfileNotFound"),
        ("login missing --no-browser", Login, Refused, Some("missing"), "ProfileNotFound"),
        ("logout --revoke-shells", Logout, Done, None, "every session, shells revoked"),
    ];
    for (arguments, action, outcome, profile, text) in actions {
        by_terraform(arguments);
        let entry = sandbox.daemon().audited(arguments, |entry| {
            entry.action == Some(action)
                && entry.outcome == outcome
                && entry.program.as_deref() == Some("terraform")
        });
        assert_eq!(entry.profile.as_deref(), profile, "{entry:?}");
        assert_eq!(entry.path.as_deref(), shell.to_str(), "{entry:?}");
        let remark = [&entry.detail, &entry.reason].map(|text| text.clone().unwrap_or_default()).concat();
        assert!(remark.contains(text), "{entry:?}");
        assert!(entry.pid.is_some() && entry.uid.is_some(), "{entry:?}");
    }
    let signed_in =
        sandbox.daemon().audited("the sign-in", |entry| entry.action == Some(Login) && entry.outcome == Done);
    assert_eq!(signed_in.detail.as_deref(), Some("session sso-session-adminUser"));
    assert_intact(&sandbox);
    let table = sandbox.ssod(&["audit"]).succeeded();
    assert!(table.contains("  logout ") && table.contains("login: ProfileNotFound"), "{table}");
}

/// A client that leaves at once must not act without an entry, and a program that is not ssod is named itself.
#[test]
fn an_action_is_audited_even_if_its_client_has_left() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let socket = sandbox.daemon().socket();
    let send = |route: &str, body: &str| {
        let mut python = sandbox.command("/usr/bin/python3");
        run(python.args(["-c", SEND_AND_LEAVE]).arg(&socket).args([route, body])).succeeded();
    };
    let by = |action: AuditAction| move |entry: &AuditEntry| entry.action == Some(action);
    send("lock", "{}");
    let locked = sandbox.daemon().audited("the lock", by(Lock));
    assert!(
        locked.program.is_none_or(|program| program.starts_with("python")),
        "the caller may have ended first"
    );
    sandbox.ssod(&["unlock"]).succeeded();
    send("logout", r#"{"name":null,"revoke_shells":false}"#);
    sandbox.daemon().audited("the logout", by(Logout));
    assert_intact(&sandbox);
}
