//! The control socket answers clients of ssod, and nobody who was talked into a request.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use ssod_testkit::{Person, Sandbox};

/// One request with these headers besides, and the status of its answer.
fn ask(sandbox: &Sandbox, headers: &str, body: &str) -> String {
    let mut socket = UnixStream::connect(sandbox.home().join("run/ssod/control.sock")).unwrap();
    let head = format!(
        "POST /v1/use HTTP/1.0\r\nHost: ssod\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    // A server that has heard enough closes while it is still being told.
    let _ = socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(body.as_bytes()));
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).split_whitespace().nth(1).unwrap_or_default().to_owned()
}

#[test]
fn the_version_is_asked_for_browsers_are_refused_and_bodies_are_capped() {
    let sandbox = Sandbox::signed_in(Person::ADMIN);
    let chosen = || sandbox.status()["active"]["profile"].clone();
    let body = r#"{"profile":"adminUser"}"#;
    for headers in [
        "",
        "ssod-api: 2\r\n",
        "ssod-api: one\r\n",
        "ssod-api: 1\r\nOrigin: http://evil.test\r\n",
        "ssod-api: 1\r\nSec-Fetch-Site: cross-site\r\n",
    ] {
        assert_eq!(ask(&sandbox, headers, body), "400", "{headers:?}");
    }
    let large = format!(r#"{{"profile":"adminUser","x":"{}"}}"#, "y".repeat(100 * 1024));
    assert_eq!(ask(&sandbox, "ssod-api: 1\r\n", &large), "413");
    assert!(chosen().is_null(), "nothing was changed");
    assert_eq!(ask(&sandbox, "ssod-api: 1\r\n", body), "200");
    assert_eq!(chosen(), "adminUser");
}
