//! Another user holds the port (T17).

use ssod_testkit::{ChildProcess, TestUser};

use super::other_user::{endpoint_of, signed_in};
use super::{ALICE, BOB, REQUEST, python, run_python};

/// Listens on the port until it is killed, and prints what it receives.
const HOLD_PORT: &str = r#"
import socket, sys
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen()
print("bound", flush=True)
while True:
    connection, _ = listener.accept()
    print(connection.recv(65536), flush=True)
"#;

#[test]
fn no_token_is_sent_to_bobs_listener_and_exposed_tokens_are_renewed() {
    let mut sandbox = signed_in();
    let (url, token) = endpoint_of(&sandbox);
    sandbox.daemon().kill();
    let bob = ChildProcess::start(&mut python(BOB, HOLD_PORT, &[&sandbox.daemon().port().to_string()]));
    assert_eq!(bob.next_line(), "bound");

    let status = sandbox.ssod(&["status"]).failed_with(4);
    assert!(
        status.contains(&format!(
            "port {} on 127.0.0.1 is taken: user {BOB} holds it",
            sandbox.daemon().port()
        )),
        "{status}"
    );
    // The shell that evaluates the output gets no endpoint and no token, and its command fails.
    let refused = sandbox.ssod(&["env", "adminUser", "--shell", "sh"]);
    assert_eq!(refused.status, 4);
    let lines: Vec<_> = refused.stdout.lines().collect();
    assert!(
        matches!(lines[..], [unset, "false"] if unset.starts_with("unset ") && !unset.contains('=')),
        "{lines:?}"
    );
    let refused = sandbox.ssod(&["exec", "adminUser", "--", "env"]);
    assert_eq!((refused.status, refused.stdout.as_str()), (4, ""));
    let doctor = sandbox.ssod(&["doctor"]);
    assert_eq!(doctor.status, 1);
    assert!(
        doctor.stdout.contains("failed") && doctor.stdout.contains(&format!("user {BOB} holds it")),
        "{}",
        doctor.stdout
    );

    // ssod cannot prevent that an old shell sends its token to bob, so a new daemon replaces the token.
    run_python(ALICE, REQUEST, &[&url, &token]);
    assert!(bob.next_line().contains(&token));
    drop(bob);
    sandbox.start_daemon();
    assert!(run_python(ALICE, REQUEST, &[&url, &token]).succeeded().starts_with("401"));
    let (url, renewed) = endpoint_of(&sandbox);
    assert_ne!(token, renewed);
    assert!(run_python(ALICE, REQUEST, &[&url, &renewed]).succeeded().starts_with("200"));
    // The next restart keeps the tokens of open shells.
    sandbox.daemon().terminate();
    sandbox.start_daemon();
    assert_eq!(endpoint_of(&sandbox).1, renewed);
    assert_eq!(sandbox.ssod(&["credential-process", TestUser::ADMIN.profile]).status, 0);
}
