//! The one choke point: who may ask at all. Pure functions of the request's head.
//!
//! The caller's uid was checked when the connection was made; here it is the request's turn. A browser that a
//! web page drives, a rebound name, a proxy that forwards for others: none of them is an AWS SDK on this machine.

use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

/// Browsers send these with what a page makes them send; no SDK does. `Sec-Fetch-Mode` is missing on purpose:
/// Node's fetch sends it.
const BROWSER: [&str; 5] = ["origin", "referer", "sec-fetch-site", "sec-fetch-dest", "cookie"];
/// Whoever forwards asks for somebody else.
const FORWARDING: [&str; 6] =
    ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded", "x-real-ip", "via"];

/// Refuses with the reason, in words for the person whose request it may have been.
pub(crate) fn examine(parts: &Parts, port: u16) -> Result<(), &'static str> {
    if BROWSER.iter().any(|name| parts.headers.contains_key(*name)) {
        return Err("it is a web browser");
    }
    if FORWARDING.iter().any(|name| parts.headers.contains_key(*name)) {
        return Err("the request was forwarded");
    }
    let host = host(&parts.headers).ok_or("exactly one Host header is required")?;
    if !is_ours(host, port) {
        return Err("Host must be 127.0.0.1; the endpoint has no other name");
    }
    // An absolute-form target names a host of its own; it must be the same.
    if parts.uri.authority().is_some_and(|authority| !is_ours(authority.as_str(), port)) {
        return Err("the request's target is another host");
    }
    Ok(())
}

/// The value of the only Host header.
fn host(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::HOST).iter();
    let host = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(host)
}

/// With the port, or without it, as the C SDK sends it. A name that resolves to 127.0.0.1 is not enough: that is
/// what DNS rebinding makes.
fn is_ours(host: &str, port: u16) -> bool {
    match host.strip_prefix("127.0.0.1") {
        Some("") => true,
        Some(rest) => rest.strip_prefix(':').is_some_and(|given| {
            given.bytes().all(|digit| digit.is_ascii_digit())
                && given.parse() == Ok(port)
                && !given.starts_with('0')
        }),
        None => false,
    }
}

/// What the path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guarded<'a> {
    /// `/credentials` or `/credentials/PROFILE`, the profile still percent-encoded.
    Credentials(Option<&'a str>),
    /// Below `/latest`, without leading slashes.
    Imds(&'a str),
    /// Anything else.
    Nothing,
}

impl<'a> Guarded<'a> {
    /// Old SDKs double the first slash, depending on how the endpoint was spelled.
    pub(crate) fn path(parts: &'a Parts) -> Self {
        let path = parts.uri.path().trim_start_matches('/');
        match path.split_once('/').map_or((path, None), |(first, rest)| (first, Some(rest))) {
            ("credentials", None | Some("")) => Self::Credentials(None),
            ("credentials", Some(name)) => Self::Credentials(Some(name)),
            ("latest", Some(rest)) => Self::Imds(rest.trim_start_matches('/')),
            _ => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;
    use proptest::prelude::*;

    use super::*;

    const PORT: u16 = 7746;

    fn parts(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn reason(uri: &str, headers: &[(&str, &str)]) -> Option<&'static str> {
        examine(&parts(uri, headers), PORT).err()
    }

    #[test]
    fn sdks_get_through() {
        for host in ["127.0.0.1:7746", "127.0.0.1"] {
            assert_eq!(reason("/credentials/a", &[("host", host)]), None);
            assert_eq!(reason("/credentials/a", &[("host", host), ("sec-fetch-mode", "cors")]), None);
        }
        assert_eq!(reason("http://127.0.0.1:7746/latest", &[("host", "127.0.0.1:7746")]), None);
    }

    #[test]
    fn every_other_host_is_refused() {
        for host in [
            "localhost:7746",
            "127.0.0.1:7747",
            "127.0.0.1:07746",
            "127.0.0.1:+7746",
            "127.0.0.1:",
            "127.0.0.1.:7746",
            "127.0.0.2:7746",
            "[::1]:7746",
            "evil.test:7746",
            "127.0.0.1.evil.test",
            "0.0.0.0:7746",
            "2130706433",
            "",
        ] {
            assert!(reason("/", &[("host", host)]).is_some(), "{host}");
        }
        assert!(reason("/", &[]).is_some());
        assert!(reason("/", &[("host", "127.0.0.1"), ("host", "127.0.0.1")]).is_some());
        assert!(reason("http://evil.test/", &[("host", "127.0.0.1:7746")]).is_some());
    }

    #[test]
    fn browsers_and_forwarders_are_refused() {
        for name in BROWSER.iter().chain(&FORWARDING) {
            assert!(reason("/", &[("host", "127.0.0.1"), (name, "x")]).is_some(), "{name}");
        }
    }

    #[test]
    fn paths_tolerate_what_sdks_spell() {
        for (path, meant) in [
            ("/credentials", Guarded::Credentials(None)),
            ("/credentials/", Guarded::Credentials(None)),
            ("/credentials/a%20b", Guarded::Credentials(Some("a%20b"))),
            ("//latest/api/token", Guarded::Imds("api/token")),
            ("/latest//meta-data/", Guarded::Imds("meta-data/")),
            ("/", Guarded::Nothing),
            ("/credentialsx", Guarded::Nothing),
            ("/2021-07-15/meta-data", Guarded::Nothing),
        ] {
            assert_eq!(Guarded::path(&parts(path, &[])), meant, "{path}");
        }
    }

    proptest! {
        #[test]
        fn only_two_spellings_of_the_host_pass(host in "[0-9a-z.:\\[\\]@+-]{0,24}") {
            prop_assert_eq!(is_ours(&host, PORT), host == "127.0.0.1" || host == "127.0.0.1:7746");
        }
    }
}
