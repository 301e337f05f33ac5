//! Another user of the same machine, with everything but the right uid (T1, T2, T16).

use std::fs;
use std::os::unix::fs::PermissionsExt;

use ssod_testkit::{Person, Sandbox};

use super::{ALICE, ASK, BOB, run_python};

const CONNECT: &str = r#"
import socket, sys
try:
    socket.socket(socket.AF_UNIX).connect(sys.argv[1])
    print("connected")
except PermissionError:
    print("refused")
"#;

/// A daemon of alice's in which she signed in.
pub(crate) fn signed_in() -> Sandbox {
    let mut sandbox = Sandbox::of_user(ALICE);
    sandbox.configure(Person::ADMIN);
    sandbox.start_daemon();
    sandbox.login(Person::ADMIN).succeeded();
    sandbox
}

/// The URI and the token that alice's shell has.
pub(crate) fn endpoint_of(sandbox: &Sandbox) -> (String, String) {
    let env = sandbox.env(&["adminUser"]);
    let value = |name: &str| {
        env.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.clone()).unwrap()
    };
    (value("AWS_CONTAINER_CREDENTIALS_FULL_URI"), value("AWS_CONTAINER_AUTHORIZATION_TOKEN"))
}

#[test]
fn alice_is_served_and_bob_and_root_are_not_even_with_her_token() {
    let sandbox = signed_in();
    let (url, token) = endpoint_of(&sandbox);
    let ask = |user| run_python(user, ASK, &[&url, &token]).succeeded();
    assert!(ask(ALICE).starts_with("200"));
    let served =
        sandbox.audited("what alice got", |line| line["outcome"] == "served" && line["uid"] == ALICE);
    assert_eq!((&served["profile"], &served["via"]), (&"adminUser".into(), &"container".into()));
    for stranger in [BOB, 0] {
        let answer = ask(stranger);
        assert!(answer.starts_with("403") && answer.contains("CallerRefused"), "{stranger}: {answer}");
        let refused =
            sandbox.audited("the refusal", |line| line["outcome"] == "refused" && line["uid"] == stranger);
        assert!(refused["reason"].as_str().unwrap().contains("another user"), "{refused}");
    }
}

/// As Java and .NET do: an IPv6 socket, connected to the mapped IPv4 address.
const ASK_DUAL_STACK: &str = r#"
import socket, sys
connection = socket.socket(socket.AF_INET6)
connection.connect(("::ffff:127.0.0.1", int(sys.argv[1])))
connection.sendall(f"GET /credentials/adminUser HTTP/1.0\r\nHost: 127.0.0.1:{sys.argv[1]}\r\nAuthorization: {sys.argv[2]}\r\n\r\n".encode())
print(connection.recv(65536).decode().split()[1])
"#;

#[test]
fn a_dual_stack_socket_is_alices_or_bobs_like_any_other() {
    let sandbox = signed_in();
    let (port, token) = (sandbox.port.to_string(), endpoint_of(&sandbox).1);
    for (user, status) in [(ALICE, "200"), (BOB, "403")] {
        assert_eq!(run_python(user, ASK_DUAL_STACK, &[&port, &token]).succeeded().trim(), status, "{user}");
    }
}

#[test]
fn bob_cannot_reach_the_control_socket_whatever_its_mode() {
    let sandbox = signed_in();
    let socket = sandbox.home().join("run/ssod/control.sock");
    let connect = || run_python(BOB, CONNECT, &[socket.to_str().unwrap()]).succeeded();
    assert_eq!(connect().trim(), "refused");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    // Even where somebody opened every door, the daemon looks at who is there.
    for path in [sandbox.home(), &sandbox.home().join("run"), &sandbox.home().join("run/ssod"), &socket] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    }
    assert_eq!(connect().trim(), "connected");
    sandbox.audited("the refusal", |line| line["via"] == "control" && line["uid"] == BOB);
}

#[test]
fn a_folder_that_is_bobs_is_refused_and_nothing_of_his_is_followed() {
    let mut sandbox = Sandbox::of_user(ALICE);
    sandbox.configure(Person::ADMIN);
    sandbox.start_daemon();
    sandbox.daemon().kill();
    let runtime = sandbox.home().join("run/ssod");
    let refusal = || {
        let error = sandbox.ssod(&["status"]).failed_with(4);
        assert!(error.contains("The ssod daemon ended at once"), "{error}");
        error
    };
    std::os::unix::fs::chown(&runtime, Some(BOB), Some(BOB)).unwrap();
    assert!(refusal().contains(&format!("belongs to user {BOB}")));
    fs::remove_dir_all(&runtime).unwrap();
    let elsewhere = sandbox.home().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &runtime).unwrap();
    assert!(refusal().contains("a symlink to one is not accepted"));
    fs::remove_file(&runtime).unwrap();
    assert!(sandbox.ssod(&["status"]).status == 0, "without it, all is well again");
}
