//! Secrets go neither to another user's listener on loopback nor in clear text to another address (T27).

use std::fs;
use std::time::Duration;

use ssod_testkit::{ChildProcess, Sandbox, TestUser, wait_until};

use super::{ALICE, BOB, python};
use crate::destinations::{START_URL, aws_config};

/// Listens on an address until it is killed, appends what it receives to a file, and answers with an error.
const RECORD: &str = r#"
import socket, sys, threading
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((sys.argv[1], int(sys.argv[2])))
listener.listen(100)
print("bound", flush=True)
def receive(connection):
    connection.settimeout(2)
    try:
        while received := connection.recv(65536):
            print(received, flush=True)
            connection.sendall(b"HTTP/1.1 500 Error\r\ncontent-length: 0\r\n\r\n")
    except OSError:
        pass
while True:
    threading.Thread(target=receive, args=(listener.accept()[0],), daemon=True).start()
"#;

/// Returns a sandbox of alice in which alice has signed in, and whose credentials expire after a few seconds.
fn signed_in() -> Sandbox {
    let mut sandbox = Sandbox::of_user_with_lifetime(ALICE, "4s");
    sandbox.configure(TestUser::ADMIN);
    sandbox.start_daemon();
    sandbox.login(TestUser::ADMIN).succeeded();
    sandbox
}

#[test]
fn bobs_listener_gets_no_byte_unless_alice_trusts_it() {
    let sandbox = signed_in();
    let address = sandbox.fake().url().trim_start_matches("http://").to_owned();
    let (host, port) = address.split_once(':').unwrap();
    sandbox.fake().stop();
    let bob = ChildProcess::start(&mut python(BOB, RECORD, &[host, port]));
    assert_eq!(bob.next_line(), "bound");
    // The timer, an SDK and a list of accounts; each of them would send the access token or the refresh token.
    sandbox.ssod(&["credential-process", "adminUser"]);
    sandbox.ssod(&["list"]);
    let refused = format!("no secret was sent to {address}, because user {BOB} listens there, not you");
    wait_until("the status says why", || sandbox.ssod(&["status"]).stdout.contains(&refused));
    std::thread::sleep(Duration::from_secs(6));
    assert!(sandbox.ssod(&["doctor"]).stdout.contains(&format!("user {BOB} listens there")));
    assert_eq!(bob.next_line_within(Duration::from_secs(1)), None, "bob received something");
    // A container's listener belongs to root, and its user may trust it. The setting takes effect at once.
    sandbox.add_settings(&format!("[network]\ntrusted_endpoints = [\"{address}\"]\n"));
    wait_until("the setting takes effect", || {
        sandbox.ssod(&["credential-process", "adminUser"]);
        bob.next_line_within(Duration::from_secs(1)).is_some()
    });
}

/// The recorder and the daemon have a network of their own, with this address.
const OTHER_ADDRESS: &str = "198.51.100.7";

#[test]
fn plain_http_to_another_address_sends_no_byte() {
    let mut sandbox = Sandbox::new();
    sandbox.write_aws_config(&aws_config(START_URL));
    sandbox.start_daemon();
    sandbox.login(TestUser::ADMIN).succeeded();
    sandbox.daemon().terminate();
    let (program, received) = (sandbox.home().join("record.py"), sandbox.home().join("received"));
    fs::write(&program, RECORD).unwrap();
    let url = format!("http://{OTHER_ADDRESS}:8080");
    // The recorder ends with the daemon, whose parent it is not: its network has no other process then.
    sandbox.start_daemon_in_shell(&format!(
        "exec unshare -n sh -c 'ip link set lo up && ip address add {OTHER_ADDRESS}/32 dev lo && \
         /usr/bin/timeout 60 /usr/bin/python3 {program} {OTHER_ADDRESS} 8080 >{received} & \
         until grep -q bound {received} 2>/dev/null; do sleep 0.1; done; \
         exec env AWS_ENDPOINT_URL_SSO={url} AWS_ENDPOINT_URL_SSO_OIDC={url} ssod-daemon'",
        program = program.display(),
        received = received.display(),
    ));
    let error = sandbox.login_with("adminUser", &["--device-code"], |_| {}).failed_with(1);
    assert!(
        error.contains(&format!("error: Secrets are not sent to {url}, because others could read them")),
        "{error}"
    );
    for command in
        [&["credential-process", "adminUser"][..], &["list"], &["status"], &["doctor"], &["logout"]]
    {
        sandbox.ssod(command);
    }
    assert_eq!(fs::read_to_string(&received).unwrap(), "bound\n");
}
