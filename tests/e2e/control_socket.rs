//! The control socket serves clients of ssod, and refuses requests that another program was tricked into sending.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use ssod_testkit::{Sandbox, TestUser};

/// Sends a request with additional headers and returns the status of the answer.
fn status_of_request(sandbox: &Sandbox, headers: &str, body: &str) -> String {
    let mut socket = UnixStream::connect(sandbox.daemon().socket()).unwrap();
    let head = format!(
        "POST /v1/use HTTP/1.0\r\nHost: ssod\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n",
        body.len()
    );
    // Fails if the server closes the connection before it has read everything.
    let _ = socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(body.as_bytes()));
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).split_whitespace().nth(1).unwrap_or_default().to_owned()
}

#[test]
fn requests_of_browsers_without_the_api_version_or_with_large_bodies_are_refused() {
    let sandbox = Sandbox::signed_in(TestUser::ADMIN);
    let active = || sandbox.daemon().status().active.profile;
    let body = r#"{"profile":"adminUser"}"#;
    for headers in [
        "",
        "ssod-api: 2\r\n",
        "ssod-api: one\r\n",
        "ssod-api: 1\r\nOrigin: http://evil.test\r\n",
        "ssod-api: 1\r\nSec-Fetch-Site: cross-site\r\n",
    ] {
        assert_eq!(status_of_request(&sandbox, headers, body), "400", "{headers:?}");
    }
    let large = format!(r#"{{"profile":"adminUser","x":"{}"}}"#, "y".repeat(100 * 1024));
    assert_eq!(status_of_request(&sandbox, "ssod-api: 1\r\n", &large), "413");
    assert_eq!(active(), None, "a refused request had an effect");
    assert_eq!(status_of_request(&sandbox, "ssod-api: 1\r\n", body), "200");
    assert_eq!(active().as_deref(), Some("adminUser"));
}
