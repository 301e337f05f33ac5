//! Somebody else holds the port (T17).

use std::time::Duration;

use ssod_testkit::{Person, Running};

use super::other_user::{endpoint_of, signed_in};
use super::{ALICE, ASK, BOB, python, run_python};

/// Holds the port until it is killed, and prints what it is sent.
const SQUAT: &str = r#"
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
fn nothing_is_said_to_a_listener_that_is_bobs_and_what_he_may_have_heard_is_worth_nothing() {
    let mut sandbox = signed_in();
    let (url, token) = endpoint_of(&sandbox);
    sandbox.daemon().kill();
    let bob = Running::start(&mut python(BOB, SQUAT, &[&sandbox.port.to_string()]));
    assert_eq!(bob.line(), "bound");

    let status = sandbox.ssod(&["status"]).failed_with(4);
    assert!(
        status.contains(&format!("port {} on 127.0.0.1 is taken: user {BOB} holds it", sandbox.port)),
        "{status}"
    );
    for command in [&["env", "adminUser"][..], &["exec", "adminUser", "--", "env"]] {
        let refused = sandbox.ssod(command);
        assert_eq!((refused.status, refused.stdout.as_str()), (4, ""), "{command:?}");
    }
    let doctor = sandbox.ssod(&["doctor"]);
    assert_eq!(doctor.status, 1);
    assert!(
        doctor.stdout.contains("failed") && doctor.stdout.contains(&format!("user {BOB} holds it")),
        "{}",
        doctor.stdout
    );

    // An old shell asks him all the same: nobody can keep it from that. What he heard is renewed.
    run_python(ALICE, ASK, &[&url, &token]);
    assert!(bob.line().contains(&token));
    drop(bob);
    sandbox.start_daemon();
    assert!(run_python(ALICE, ASK, &[&url, &token]).succeeded().starts_with("401"));
    let (url, renewed) = endpoint_of(&sandbox);
    assert_ne!(token, renewed);
    assert!(run_python(ALICE, ASK, &[&url, &renewed]).succeeded().starts_with("200"));
    // Once is enough: the next restart leaves the shells theirs.
    sandbox.daemon().signal(rustix::process::Signal::TERM);
    assert!(sandbox.daemon().wait(Duration::from_secs(5)).is_some());
    sandbox.start_daemon();
    assert_eq!(endpoint_of(&sandbox).1, renewed);
    assert_eq!(sandbox.ssod(&["credential-process", Person::ADMIN.profile]).status, 0);
}
