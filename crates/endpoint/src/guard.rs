//! The one choke point: who may ask at all, and what for. A pure function from a request's facts to what is allowed or
//! why it is not; nothing else decides about access, and no route is reached around it.
//!
//! A browser that a web page drives, a rebound name, a proxy that forwards for others, another user: none of them is an
//! AWS SDK of this user on this machine.

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use percent_encoding::percent_decode_str;
use ssod_model::{ProfileName, Refusal, Timestamp};

use crate::{ImdsTokens, Tokens};

/// Browsers send these with what a page makes them send; no SDK does. `Sec-Fetch-Mode` is missing on purpose:
/// Node's fetch sends it.
const BROWSER: [&str; 5] = ["origin", "referer", "sec-fetch-site", "sec-fetch-dest", "cookie"];
/// Whoever forwards asks for somebody else.
const FORWARDING: [&str; 6] =
    ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded", "x-real-ip", "via"];
const IMDS_TOKEN: &str = "x-aws-ec2-metadata-token";

/// What counts about a request besides its head.
pub(crate) struct Facts<'a> {
    /// Whose connection it is; `None` where the kernel did not say.
    pub(crate) uid: Option<u32>,
    /// Whom the endpoint serves.
    pub(crate) own_uid: u32,
    /// The port that the request came to.
    pub(crate) port: u16,
    /// Whether that port has the container credentials.
    pub(crate) has_credentials: bool,
    /// Whether that port has IMDS.
    pub(crate) has_imds: bool,
    /// What everybody is told while the vault is not open.
    pub(crate) closed: Option<Refusal>,
    pub(crate) now: Timestamp,
    pub(crate) tokens: &'a Tokens,
    pub(crate) imds_tokens: &'a ImdsTokens,
}

/// What is let through.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Allowed<'a> {
    /// The credentials of that profile, or of the active one.
    Credentials(Option<ProfileName>),
    /// A new IMDSv2 token.
    ImdsToken,
    /// What IMDS has at that path below `/latest/`, without leading slashes.
    Imds(&'a str),
}

/// Why a request goes no further.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// With these words.
    Refused(Refusal),
    /// An IMDS request without a live token.
    NoImdsToken,
    /// There is nothing.
    NotFound,
    /// There is something, for another method.
    Method,
}

/// Decides about one request.
pub(crate) fn examine<'a>(parts: &'a Parts, facts: &Facts<'_>) -> Result<Allowed<'a>, Denied> {
    caller(parts, facts).map_err(|reason| Denied::Refused(Refusal::CallerRefused(reason)))?;
    match (Target::of(parts), &parts.method) {
        (Target::Credentials(name), method) if facts.has_credentials => {
            if method != Method::GET {
                return Err(Denied::Method);
            }
            if let Some(closed) = &facts.closed {
                return Err(Denied::Refused(closed.clone()));
            }
            let named = name.map(profile_name).transpose().map_err(Denied::Refused)?;
            if !facts.tokens.matches(named.as_ref(), value(&parts.headers, header::AUTHORIZATION.as_str())) {
                let name = named.map(|name| name.to_string()).unwrap_or_default();
                return Err(Denied::Refused(Refusal::InvalidToken(name)));
            }
            Ok(Allowed::Credentials(named))
        }
        (Target::Imds(path), method) if facts.has_imds => match (path.trim_end_matches('/'), method) {
            ("api/token", &Method::PUT) => Ok(Allowed::ImdsToken),
            (below, &Method::GET) => {
                let given = value(&parts.headers, IMDS_TOKEN);
                match facts.imds_tokens.is_live(facts.now, facts.port, given) {
                    true if below == "api/token" => Err(Denied::Method),
                    true => Ok(Allowed::Imds(path)),
                    false => Err(Denied::NoImdsToken),
                }
            }
            _ => Err(Denied::Method),
        },
        _ => Err(Denied::NotFound),
    }
}

/// The profile whose credentials a request is about, whether it may have them or not.
pub(crate) fn asked_for(parts: &Parts) -> Option<ProfileName> {
    match Target::of(parts) {
        Target::Credentials(Some(name)) => profile_name(name).ok(),
        _ => None,
    }
}

/// Refuses with the reason, in words for the person whose request it may have been.
fn caller(parts: &Parts, facts: &Facts<'_>) -> Result<(), &'static str> {
    if facts.uid != Some(facts.own_uid) {
        return Err("it belongs to another user");
    }
    if BROWSER.iter().any(|name| parts.headers.contains_key(*name)) {
        return Err("it is a web browser");
    }
    if FORWARDING.iter().any(|name| parts.headers.contains_key(*name)) {
        return Err("the request was forwarded");
    }
    let host = host(&parts.headers).ok_or("exactly one Host header is required")?;
    if !is_ours(host, facts.port) {
        return Err("Host must be 127.0.0.1; the endpoint has no other name");
    }
    // An absolute-form target names a host of its own; it must be the same.
    if parts.uri.authority().is_some_and(|authority| !is_ours(authority.as_str(), facts.port)) {
        return Err("the request's target is another host");
    }
    Ok(())
}

/// The value of the only header of that name; two of them are none.
fn value<'a>(headers: &'a HeaderMap, name: &str) -> &'a [u8] {
    let mut values = headers.get_all(name).iter();
    let only = values.next().filter(|_| values.next().is_none());
    only.map(HeaderValue::as_bytes).unwrap_or_default()
}

fn profile_name(encoded: &str) -> Result<ProfileName, Refusal> {
    let name = percent_decode_str(encoded).decode_utf8_lossy();
    ProfileName::parse(&name).map_err(|_| {
        Refusal::ProfileNotFound(name.chars().filter(|character| !character.is_control()).take(64).collect())
    })
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
enum Target<'a> {
    /// `/credentials` or `/credentials/PROFILE`, the profile still percent-encoded.
    Credentials(Option<&'a str>),
    /// Below `/latest`, without leading slashes.
    Imds(&'a str),
    /// Anything else.
    Nothing,
}

impl<'a> Target<'a> {
    /// Old SDKs double the first slash, depending on how the endpoint was spelled.
    fn of(parts: &'a Parts) -> Self {
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

    const OWN: u32 = 1_000;

    /// Tokens as they are in force, and the words for one.
    struct World {
        tokens: Tokens,
        imds_tokens: ImdsTokens,
    }

    impl World {
        fn new() -> Self {
            let tokens = Tokens::default();
            tokens.ensure(&[admin()]).unwrap();
            Self { tokens, imds_tokens: ImdsTokens::new().unwrap() }
        }

        fn token(&self, profile: Option<&ProfileName>) -> String {
            self.tokens.of(profile).unwrap().expose().to_owned()
        }

        fn facts(&self) -> Facts<'_> {
            Facts {
                uid: Some(OWN),
                own_uid: OWN,
                port: PORT,
                has_credentials: true,
                has_imds: true,
                closed: None,
                now: Timestamp::UNIX_EPOCH,
                tokens: &self.tokens,
                imds_tokens: &self.imds_tokens,
            }
        }
    }

    fn admin() -> ProfileName {
        ProfileName::parse("adminUser").unwrap()
    }

    fn reason(uri: &str, headers: &[(&str, &str)]) -> Option<&'static str> {
        caller(&parts(uri, headers), &World::new().facts()).err()
    }

    #[test]
    fn only_this_user_and_only_with_the_right_token_gets_to_credentials() {
        let world = World::new();
        let (own, active) = (world.token(Some(&admin())), world.token(None));
        let ask = |facts: &Facts<'_>, path: &str, token: &str| {
            let parts = parts(path, &[("host", "127.0.0.1:7746"), ("authorization", token)]);
            match examine(&parts, facts) {
                Ok(allowed) => format!("{allowed:?}"),
                Err(Denied::Refused(refusal)) => refusal.code().to_owned(),
                Err(denied) => format!("{denied:?}"),
            }
        };
        let facts = world.facts();
        assert_eq!(ask(&facts, "/credentials", &active), "Credentials(None)");
        assert!(ask(&facts, "/credentials/adminUser", &own).starts_with("Credentials(Some("));
        for (path, token) in
            [("/credentials", &own), ("/credentials/adminUser", &active), ("/credentials/other", &own)]
        {
            assert_eq!(ask(&facts, path, token), "InvalidToken", "{path}");
        }
        assert_eq!(ask(&facts, "/credentials/adminUser", ""), "InvalidToken");
        assert_eq!(ask(&facts, "/credentials/%0a", &own), "ProfileNotFound");
        for uid in [None, Some(0), Some(OWN + 1)] {
            assert_eq!(
                ask(&Facts { uid, ..world.facts() }, "/credentials/adminUser", &own),
                "CallerRefused",
                "{uid:?}"
            );
        }
        let refusal = Refusal::Locked { reason: String::new(), remedy: String::new() };
        let locked = Facts { closed: Some(refusal), ..world.facts() };
        assert_eq!(ask(&locked, "/credentials/adminUser", &own), "Locked");
        let elsewhere = Facts { has_credentials: false, ..world.facts() };
        assert_eq!(ask(&elsewhere, "/credentials/adminUser", &own), "NotFound");
    }

    #[test]
    fn imds_has_no_get_without_a_live_token_and_two_tokens_are_none() {
        let world = World::new();
        let token = world.imds_tokens.issue(Timestamp::UNIX_EPOCH, PORT, 60);
        let other_port = world.imds_tokens.issue(Timestamp::UNIX_EPOCH, PORT + 1, 60);
        let ask = |facts: &Facts<'_>, method: Method, path: &str, tokens: &[&str]| {
            let mut headers = vec![("host", "127.0.0.1:7746")];
            headers.extend(tokens.iter().map(|token| (IMDS_TOKEN, *token)));
            let mut parts = parts(path, &headers);
            parts.method = method;
            examine(&parts, facts).map(|allowed| format!("{allowed:?}"))
        };
        let (facts, roles) = (world.facts(), "/latest/meta-data/iam/security-credentials/");
        assert_eq!(ask(&facts, Method::PUT, "/latest/api/token", &[]).unwrap(), "ImdsToken");
        assert!(ask(&facts, Method::GET, roles, &[&token]).is_ok());
        for tokens in [&[][..], &["x"], &[&other_port], &[&token, &token]] {
            assert_eq!(ask(&facts, Method::GET, roles, tokens), Err(Denied::NoImdsToken), "{tokens:?}");
        }
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::HEAD] {
            assert_eq!(ask(&facts, method.clone(), roles, &[&token]), Err(Denied::Method), "{method}");
            assert_eq!(ask(&facts, method, "/credentials", &[]), Err(Denied::Method));
        }
        assert_eq!(ask(&facts, Method::POST, "/latest/api/token", &[]), Err(Denied::Method));
        let without = Facts { has_imds: false, ..world.facts() };
        assert_eq!(ask(&without, Method::PUT, "/latest/api/token", &[]), Err(Denied::NotFound));
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
            ("/credentials", Target::Credentials(None)),
            ("/credentials/", Target::Credentials(None)),
            ("/credentials/a%20b", Target::Credentials(Some("a%20b"))),
            ("//latest/api/token", Target::Imds("api/token")),
            ("/latest//meta-data/", Target::Imds("meta-data/")),
            ("/", Target::Nothing),
            ("/credentialsx", Target::Nothing),
            ("/2021-07-15/meta-data", Target::Nothing),
        ] {
            assert_eq!(Target::of(&parts(path, &[])), meant, "{path}");
        }
    }

    proptest! {
        #[test]
        fn only_two_spellings_of_the_host_pass(host in "[0-9a-z.:\\[\\]@+-]{0,24}") {
            prop_assert_eq!(is_ours(&host, PORT), host == "127.0.0.1" || host == "127.0.0.1:7746");
        }
    }
}
