//! Decides about access: a pure function from a request's facts to what is allowed, or why it is refused. Every request passes
//! through it, and nothing else decides about access.
//!
//! It lets AWS SDKs of this user on this machine through. It refuses other users, browsers that a web page drives, rebound
//! names, and proxies that forward other callers' requests.

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use ssod_model::{ProfileName, Refusal, Timestamp};

use crate::audit::Protocol;
use crate::imds_token::ImdsTokens;
use crate::target::Target;
use crate::tokens::{TokenOwner, Tokens};

/// Headers that a browser adds to the requests of a page, and that no SDK sends. `Sec-Fetch-Mode` is missing on purpose, because
/// Node's fetch sends it.
const BROWSER_HEADERS: [&str; 5] = ["origin", "referer", "sec-fetch-site", "sec-fetch-dest", "cookie"];
/// Headers of a proxy, which forwards another caller's request.
const FORWARDING_HEADERS: [&str; 6] =
    ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded", "x-real-ip", "via"];
const IMDS_TOKEN: &str = "x-aws-ec2-metadata-token";

/// The facts about a request that are not in its head.
pub(crate) struct Facts<'a> {
    /// The user who made the connection; `None` if the kernel did not tell.
    pub(crate) uid: Option<u32>,
    /// The user whom the endpoint serves.
    pub(crate) own_uid: u32,
    /// The port that the request came to.
    pub(crate) port: u16,
    /// Whether that port serves container credentials.
    pub(crate) has_credentials: bool,
    /// Whether that port serves IMDS.
    pub(crate) has_imds: bool,
    /// The refusal for every caller while the vault is not open.
    pub(crate) closed: Option<Refusal>,
    pub(crate) now: Timestamp,
    pub(crate) tokens: &'a Tokens,
    pub(crate) imds_tokens: &'a ImdsTokens,
}

/// What a request may have.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Allowed<'a> {
    /// The credentials of that profile, or of the active one.
    Credentials(TokenOwner),
    /// A new IMDSv2 token.
    ImdsToken,
    /// The IMDS document at that path below `/latest/`, without leading slashes.
    Imds(&'a str),
}

/// Why a request is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// With this refusal.
    Refused(Refusal),
    /// An IMDS request without a live token.
    NoImdsToken,
    /// There is nothing at the path.
    NotFound,
    /// The path does not have that method.
    Method,
}

/// The decision about one request, with what the audit log needs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decision<'a> {
    /// The protocol of the request.
    pub(crate) protocol: Protocol,
    /// The profile that the path names.
    pub(crate) profile: Option<ProfileName>,
    /// What the request may have.
    pub(crate) access: Result<Allowed<'a>, Denied>,
}

/// Decides about one request.
pub(crate) fn decide<'a>(parts: &'a Parts, facts: &Facts<'_>) -> Decision<'a> {
    let target = Target::parse(parts.uri.path());
    // A port without container credentials is an IMDS port, whatever the path.
    let protocol = if facts.has_credentials { target.protocol() } else { Protocol::Imds };
    let profile = target.named_profile().cloned();
    Decision { protocol, profile, access: access(parts, target, facts) }
}

fn access<'a>(parts: &'a Parts, target: Target<'a>, facts: &Facts<'_>) -> Result<Allowed<'a>, Denied> {
    check_caller(parts, facts).map_err(|reason| Denied::Refused(Refusal::CallerRefused(reason)))?;
    match target {
        Target::Credentials(_) | Target::InvalidProfile(_) if facts.has_credentials => {
            if parts.method != Method::GET {
                return Err(Denied::Method);
            }
            if let Some(closed) = &facts.closed {
                return Err(Denied::Refused(closed.clone()));
            }
            credentials(parts, target, facts).map_err(Denied::Refused)
        }
        Target::Imds(path) if facts.has_imds => imds(parts, path, facts),
        _ => Err(Denied::NotFound),
    }
}

fn credentials<'a>(parts: &Parts, target: Target<'a>, facts: &Facts<'_>) -> Result<Allowed<'a>, Refusal> {
    let owner = match target {
        Target::Credentials(owner) => owner,
        Target::InvalidProfile(name) => return Err(Refusal::ProfileNotFound(name)),
        Target::Imds(_) | Target::Unknown(_) => return Err(Refusal::ProfileNotFound(String::new())),
    };
    if facts.tokens.matches(&owner, only_value(&parts.headers, header::AUTHORIZATION.as_str())) {
        Ok(Allowed::Credentials(owner))
    } else {
        Err(Refusal::InvalidToken(owner.profile().map(ToString::to_string).unwrap_or_default()))
    }
}

fn imds<'a>(parts: &Parts, path: &'a str, facts: &Facts<'_>) -> Result<Allowed<'a>, Denied> {
    match (path.trim_end_matches('/'), &parts.method) {
        ("api/token", &Method::PUT) => Ok(Allowed::ImdsToken),
        (below, &Method::GET) => {
            let given = only_value(&parts.headers, IMDS_TOKEN);
            match facts.imds_tokens.is_live(facts.now, facts.port, given) {
                true if below == "api/token" => Err(Denied::Method),
                true => Ok(Allowed::Imds(path)),
                false => Err(Denied::NoImdsToken),
            }
        }
        _ => Err(Denied::Method),
    }
}

/// Refuses callers that are not an SDK of this user. The reason is for the user whose program may have sent the request.
fn check_caller(parts: &Parts, facts: &Facts<'_>) -> Result<(), &'static str> {
    if facts.uid != Some(facts.own_uid) {
        return Err("it belongs to another user");
    }
    if BROWSER_HEADERS.iter().any(|name| parts.headers.contains_key(*name)) {
        return Err("it is a web browser");
    }
    if FORWARDING_HEADERS.iter().any(|name| parts.headers.contains_key(*name)) {
        return Err("the request was forwarded");
    }
    let host = host(&parts.headers).ok_or("exactly one Host header is required")?;
    if !is_ours(host, facts.port) {
        return Err("Host must be 127.0.0.1; the endpoint has no other name");
    }
    // A target in absolute form names a host, too, which must be the same.
    if parts.uri.authority().is_some_and(|authority| !is_ours(authority.as_str(), facts.port)) {
        return Err("the request's target is another host");
    }
    Ok(())
}

/// Returns the value of the only header of that name, and nothing if there are several.
fn only_value<'a>(headers: &'a HeaderMap, name: &str) -> &'a [u8] {
    let mut values = headers.get_all(name).iter();
    let only = values.next().filter(|_| values.next().is_none());
    only.map(HeaderValue::as_bytes).unwrap_or_default()
}

/// Returns the value of the only Host header.
fn host(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::HOST).iter();
    let host = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(host)
}

/// Accepts 127.0.0.1 with the port, or without it, as the C SDK sends it. A name that resolves to 127.0.0.1 is not accepted,
/// because DNS rebinding makes such names.
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

    /// The tokens in force.
    struct TestTokens {
        tokens: Tokens,
        imds_tokens: ImdsTokens,
    }

    impl TestTokens {
        fn new() -> Self {
            let tokens = Tokens::default();
            tokens.ensure(&[admin()]).unwrap();
            Self { tokens, imds_tokens: ImdsTokens::new().unwrap() }
        }

        fn token(&self, owner: &TokenOwner) -> String {
            self.tokens.of(owner).unwrap().expose().to_owned()
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
        check_caller(&parts(uri, headers), &TestTokens::new().facts()).err()
    }

    #[test]
    fn only_this_user_and_only_with_the_right_token_gets_to_credentials() {
        let world = TestTokens::new();
        let (own, active) = (world.token(&TokenOwner::Profile(admin())), world.token(&TokenOwner::Active));
        let ask = |facts: &Facts<'_>, path: &str, token: &str| {
            let parts = parts(path, &[("host", "127.0.0.1:7746"), ("authorization", token)]);
            match decide(&parts, facts).access {
                Ok(allowed) => format!("{allowed:?}"),
                Err(Denied::Refused(refusal)) => refusal.code().to_owned(),
                Err(denied) => format!("{denied:?}"),
            }
        };
        let facts = world.facts();
        assert_eq!(ask(&facts, "/credentials", &active), "Credentials(Active)");
        assert!(ask(&facts, "/credentials/adminUser", &own).starts_with("Credentials(Profile("));
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
        let world = TestTokens::new();
        let token = world.imds_tokens.issue(Timestamp::UNIX_EPOCH, PORT, 60);
        let other_port = world.imds_tokens.issue(Timestamp::UNIX_EPOCH, PORT + 1, 60);
        let ask = |facts: &Facts<'_>, method: Method, path: &str, tokens: &[&str]| {
            let mut headers = vec![("host", "127.0.0.1:7746")];
            headers.extend(tokens.iter().map(|token| (IMDS_TOKEN, *token)));
            let mut parts = parts(path, &headers);
            parts.method = method;
            decide(&parts, facts).access.map(|allowed| format!("{allowed:?}"))
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
    fn sdks_are_accepted() {
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
        for name in BROWSER_HEADERS.iter().chain(&FORWARDING_HEADERS) {
            assert!(reason("/", &[("host", "127.0.0.1"), (name, "x")]).is_some(), "{name}");
        }
    }

    #[test]
    fn a_caller_that_is_refused_gets_nothing_even_with_a_token() {
        let world = TestTokens::new();
        let token = world.token(&TokenOwner::Profile(admin()));
        let imds_token = world.imds_tokens.issue(Timestamp::UNIX_EPOCH, PORT, 60);
        let own_host = ("host", "127.0.0.1:7746");
        let mut refused_headers = vec![vec![("host", "localhost:7746")], vec![("host", "evil.test")], vec![]];
        refused_headers.extend(
            BROWSER_HEADERS.iter().chain(&FORWARDING_HEADERS).map(|name| vec![own_host, (*name, "x")]),
        );
        for headers in refused_headers {
            for path in
                ["/credentials/adminUser", "/latest/meta-data/iam/security-credentials/", "/latest/api/token"]
            {
                let mut headers = headers.clone();
                headers.extend([("authorization", token.as_str()), (IMDS_TOKEN, imds_token.as_str())]);
                let parts = parts(path, &headers);
                let access = decide(&parts, &world.facts()).access;
                let is_refused = matches!(access, Err(Denied::Refused(Refusal::CallerRefused(_))));
                assert!(is_refused, "{path} with {headers:?}: {access:?}");
            }
        }
    }

    #[test]
    fn the_audit_log_gets_protocol_and_profile_from_the_same_parse() {
        let world = TestTokens::new();
        let decided = |facts: &Facts<'_>, path: &str| {
            let parts = parts(path, &[("host", "127.0.0.1:7746")]);
            let decision = decide(&parts, facts);
            (decision.protocol, decision.profile)
        };
        let main_port = world.facts();
        assert_eq!(decided(&main_port, "/credentials/adminUser"), (Protocol::Container, Some(admin())));
        assert_eq!(decided(&main_port, "/credentials"), (Protocol::Container, None));
        assert_eq!(decided(&main_port, "/latest/meta-data"), (Protocol::Imds, None));
        let imds_port = Facts { has_credentials: false, ..world.facts() };
        assert_eq!(decided(&imds_port, "/credentials/adminUser"), (Protocol::Imds, Some(admin())));
    }

    proptest! {
        #[test]
        fn only_two_spellings_of_the_host_pass(host in "[0-9a-z.:\\[\\]@+-]{0,24}") {
            prop_assert_eq!(is_ours(&host, PORT), host == "127.0.0.1" || host == "127.0.0.1:7746");
        }
    }
}
