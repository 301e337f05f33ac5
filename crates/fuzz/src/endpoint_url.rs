//! The URL of an endpoint or a proxy, from a variable or a file.

use ssod_identity_center::check_endpoint;
use ssod_model::public_url;

/// Checks that no URL shows more than a host and a path, and that only what is shown as https or http may be called.
pub(crate) fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let shown = public_url(&text);
    let is_url = shown != "(not a URL)";
    assert!(!is_url || shown.bytes().all(|byte| byte.is_ascii_graphic()), "{text:?}: {shown}");
    assert!(!shown.contains(['@', '?', '#', '\\']), "{text:?}: {shown}");
    assert_eq!(public_url(&shown), shown, "{text:?}");
    match check_endpoint(&text) {
        Ok(()) => assert!(["https://", "http://"].iter().any(|scheme| shown.starts_with(scheme)), "{text:?}"),
        Err(error) => assert!(!error.to_string().chars().any(char::is_control), "{text:?}: {error}"),
    }
    // A clear-text endpoint is on loopback: its host is an address, or `localhost`.
    if let (Ok(()), Some(host)) = (check_endpoint(&text), shown.strip_prefix("http://")) {
        let host = host.split('/').next().unwrap_or_default().to_ascii_lowercase();
        let is_numeric = host.bytes().next().is_some_and(|byte| byte.is_ascii_digit() || byte == b'[');
        assert!(is_numeric || host.split(':').next() == Some("localhost"), "{text:?}: {host}");
    }
}
