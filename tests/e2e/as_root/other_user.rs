//! Another user of the same machine, who has everything but the right uid (T1, T2, T16).

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use ssod_control::{AuditOutcome, AuditVia};
use ssod_testkit::{Sandbox, TestUser, run};

use super::{ALICE, BOB, REQUEST, run_python};

const CONNECT: &str = r#"
import socket, sys
try:
    socket.socket(socket.AF_UNIX).connect(sys.argv[1])
    print("connected")
except PermissionError:
    print("refused")
"#;

/// Returns a sandbox of alice in which alice has signed in.
pub(crate) fn signed_in() -> Sandbox {
    let mut sandbox = Sandbox::of_user(ALICE);
    sandbox.configure(TestUser::ADMIN);
    sandbox.start_daemon();
    sandbox.login(TestUser::ADMIN).succeeded();
    sandbox
}

/// Returns the URI and the token that `ssod env` sets in alice's shell.
pub(crate) fn endpoint_of(sandbox: &Sandbox) -> (String, String) {
    let url = sandbox.daemon().variable("adminUser", "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    (url, sandbox.daemon().variable("adminUser", "AWS_CONTAINER_AUTHORIZATION_TOKEN"))
}

#[test]
fn bob_and_root_are_refused_even_with_alices_token() {
    let sandbox = signed_in();
    let (url, token) = endpoint_of(&sandbox);
    let request = |user| run_python(user, REQUEST, &[&url, &token]).succeeded();
    assert!(request(ALICE).starts_with("200"));
    let served = sandbox.daemon().audited("alice's request", |entry| {
        entry.outcome == AuditOutcome::Served && entry.uid == Some(ALICE)
    });
    assert_eq!((served.profile.as_deref(), served.via), (Some("adminUser"), AuditVia::Container));
    for other in [BOB, 0] {
        let answer = request(other);
        assert!(answer.starts_with("403") && answer.contains("CallerRefused"), "{other}: {answer}");
        let refused = sandbox.daemon().audited("the refusal", |entry| {
            entry.outcome == AuditOutcome::Refused && entry.uid == Some(other)
        });
        assert!(refused.reason.unwrap().contains("another user"));
    }
}

/// Connects an IPv6 socket to the mapped IPv4 address, as Java and .NET do.
const REQUEST_FROM_DUAL_STACK: &str = r#"
import socket, sys
connection = socket.socket(socket.AF_INET6)
connection.connect(("::ffff:127.0.0.1", int(sys.argv[1])))
connection.sendall(f"GET /credentials/adminUser HTTP/1.0\r\nHost: 127.0.0.1:{sys.argv[1]}\r\nAuthorization: {sys.argv[2]}\r\n\r\n".encode())
print(connection.recv(65536).decode().split()[1])
"#;

#[test]
fn the_owner_of_a_dual_stack_socket_is_recognized() {
    let sandbox = signed_in();
    let (port, token) = (sandbox.daemon().port().to_string(), endpoint_of(&sandbox).1);
    for (user, status) in [(ALICE, "200"), (BOB, "403")] {
        assert_eq!(
            run_python(user, REQUEST_FROM_DUAL_STACK, &[&port, &token]).succeeded().trim(),
            status,
            "{user}"
        );
    }
}

#[test]
fn bob_cannot_use_the_control_socket_under_any_mode() {
    let sandbox = signed_in();
    let socket = sandbox.daemon().socket();
    let connect = || run_python(BOB, CONNECT, &[socket.to_str().unwrap()]).succeeded();
    assert_eq!(connect().trim(), "refused");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    // The daemon checks the uid even if the modes allow everything.
    for path in [sandbox.home(), &sandbox.home().join("run"), &sandbox.daemon().runtime_folder(), &socket] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    assert_eq!(connect().trim(), "connected");
    sandbox.daemon().audited("the refusal", |entry| entry.via == AuditVia::Control && entry.uid == Some(BOB));
}

#[test]
fn a_folder_of_bob_and_a_symlink_are_refused() {
    let mut sandbox = Sandbox::of_user(ALICE);
    sandbox.configure(TestUser::ADMIN);
    sandbox.start_daemon();
    sandbox.daemon().kill();
    let runtime = sandbox.daemon().runtime_folder();
    // The client refuses before it starts a daemon, and the daemon does not depend on that.
    let refusal = || {
        let error = sandbox.ssod(&["status"]).failed_with(4);
        let daemon = run(&mut sandbox.daemon_command()).failed_with(1);
        assert!(!error.contains("The ssod daemon ended at once"), "{error}");
        format!("{error}{daemon}")
    };
    chown(&runtime, Some(BOB), Some(BOB)).unwrap();
    assert_eq!(refusal().matches(&format!("belongs to user {BOB}")).count(), 2);
    fs::remove_dir_all(&runtime).unwrap();
    let elsewhere = sandbox.home().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, &runtime).unwrap();
    assert_eq!(refusal().matches("a symlink to one is not accepted").count(), 2);
    fs::remove_file(&runtime).unwrap();
    assert!(sandbox.ssod(&["status"]).status == 0, "ssod does not work without the symlink");
}
