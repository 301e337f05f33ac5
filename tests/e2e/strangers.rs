//! Another user of the same machine, with everything but the right uid.

use std::process::Command;

use ssod_testkit::{Finished, Person, Sandbox, run};

/// `nobody`: a user that every machine has and that owns nothing.
const NOBODY: &str = "65534";

/// Runs a Python program as somebody else.
fn as_nobody(program: &str, arguments: &[&str]) -> Finished {
    let mut command = Command::new("/usr/bin/setpriv");
    command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "/usr/bin/python3", "-c", program]);
    run(command.args(arguments).env_clear())
}

const ASK: &str = r#"
import sys, urllib.request, urllib.error
request = urllib.request.Request(sys.argv[1], headers={"Authorization": sys.argv[2]})
try:
    print(urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request).status)
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
"#;

const CONNECT: &str = r#"
import socket, sys
try:
    socket.socket(socket.AF_UNIX).connect(sys.argv[1])
    print("connected")
except PermissionError:
    print("refused")
"#;

#[test]
fn another_user_gets_nothing_even_with_a_valid_token() {
    let sandbox = Sandbox::signed_in(Person::ADMIN);
    assert_eq!(sandbox.credentials("adminUser").status, 200);
    let token = std::fs::read_to_string(sandbox.home().join("run/ssod/tokens/profile-adminUser")).unwrap();
    let url = format!("http://127.0.0.1:{}/credentials/adminUser", sandbox.port);
    let answer = as_nobody(ASK, &[&url, &token]).succeeded();
    assert!(answer.starts_with("403") && answer.contains("CallerRefused"), "{answer}");
    assert!(sandbox.daemon_log().contains("another user's connection is refused"));
}

#[test]
fn another_user_cannot_reach_the_control_socket() {
    let mut sandbox = Sandbox::new();
    sandbox.start_daemon();
    let socket = sandbox.home().join("run/ssod/control.sock");
    assert_eq!(as_nobody(CONNECT, &[socket.to_str().unwrap()]).succeeded().trim(), "refused");
    // Even where somebody opened every door, the daemon looks at who is there.
    for path in [sandbox.home(), &sandbox.home().join("run"), &sandbox.home().join("run/ssod"), &socket] {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    assert_eq!(as_nobody(CONNECT, &[socket.to_str().unwrap()]).succeeded().trim(), "connected");
    sandbox.eventually("it is refused", || {
        sandbox.daemon_log().contains("another user's control connection is refused")
    });
}
