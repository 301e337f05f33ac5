use http::Request;
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

const HOST: (&str, &str) = ("host", "127.0.0.1:7746");

const OWN: u32 = 1_000;

/// Values of the Host header that do not name the endpoint.
const OTHER_HOSTS: [&str; 13] = [
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
];

/// What the guard knows about a caller, apart from its tokens.
#[derive(Debug)]
struct TestCaller {
    uid: Option<u32>,
    /// The start of a request target in absolute form, else empty.
    origin: &'static str,
    headers: Vec<(&'static str, &'static str)>,
}

impl TestCaller {
    fn sdk() -> Self {
        Self { uid: Some(OWN), origin: "", headers: vec![HOST] }
    }

    /// Returns callers that differ in one property from an SDK of this user.
    fn others() -> Vec<Self> {
        let with_headers = |headers| Self { headers, ..Self::sdk() };
        let mut others = vec![with_headers(vec![]), with_headers(vec![HOST, HOST])];
        others.extend([None, Some(0), Some(OWN + 1)].map(|uid| Self { uid, ..Self::sdk() }));
        others.extend(
            ["http://evil.test", "http://localhost:7746", "http://127.0.0.1:7747"]
                .map(|origin| Self { origin, ..Self::sdk() }),
        );
        others.extend(OTHER_HOSTS.map(|host| with_headers(vec![("host", host)])));
        let headers = BROWSER_HEADERS.iter().chain(&FORWARDING_HEADERS);
        others.extend(headers.map(|name| with_headers(vec![HOST, (*name, "x")])));
        others
    }

    /// Returns the head of a request from this caller.
    fn request(&self, method: &Method, path: &str, token: (&str, &str)) -> Parts {
        let mut headers = self.headers.clone();
        headers.push(token);
        let mut parts = parts(&format!("{}{path}", self.origin), &headers);
        parts.method = method.clone();
        parts
    }
}

/// Tokens for the active profile and for [`admin`].
struct TestTokens {
    tokens: Tokens,
    imds_tokens: ImdsTokens,
}

impl TestTokens {
    fn new() -> Self {
        let tokens = Tokens::default();
        tokens.ensure(&[admin()], Timestamp::UNIX_EPOCH).unwrap();
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
            serves_credentials: true,
            serves_imds: true,
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
fn only_this_user_and_only_with_the_right_token_gets_credentials() {
    let tokens = TestTokens::new();
    let (own, active) = (tokens.token(&TokenOwner::Profile(admin())), tokens.token(&TokenOwner::Active));
    let ask = |facts: &Facts<'_>, path: &str, token: &str| {
        let parts = parts(path, &[("host", "127.0.0.1:7746"), ("authorization", token)]);
        match decide(&parts, facts).access {
            Ok(allowed) => format!("{allowed:?}"),
            Err(Denied::Refused(refusal)) => refusal.code().to_owned(),
            Err(denied) => format!("{denied:?}"),
        }
    };
    let facts = tokens.facts();
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
            ask(&Facts { uid, ..tokens.facts() }, "/credentials/adminUser", &own),
            "CallerRefused",
            "{uid:?}"
        );
    }
    let refusal = Refusal::Locked { reason: String::new(), remedy: String::new() };
    let locked = Facts { closed: Some(refusal), ..tokens.facts() };
    assert_eq!(ask(&locked, "/credentials/adminUser", &own), "Locked");
    let imds_port = Facts { serves_credentials: false, ..tokens.facts() };
    assert_eq!(ask(&imds_port, "/credentials/adminUser", &own), "NotFound");
}

#[test]
fn imds_refuses_a_get_without_exactly_one_live_token() {
    let tokens = TestTokens::new();
    let token = tokens.imds_tokens.issue(Timestamp::UNIX_EPOCH, PORT, 60);
    let other_port = tokens.imds_tokens.issue(Timestamp::UNIX_EPOCH, PORT + 1, 60);
    let ask = |facts: &Facts<'_>, method: Method, path: &str, tokens: &[&str]| {
        let mut headers = vec![("host", "127.0.0.1:7746")];
        headers.extend(tokens.iter().map(|token| (IMDS_TOKEN_HEADER.as_str(), *token)));
        let mut parts = parts(path, &headers);
        parts.method = method;
        decide(&parts, facts).access.map(|allowed| format!("{allowed:?}"))
    };
    let (facts, roles) = (tokens.facts(), "/latest/meta-data/iam/security-credentials/");
    assert_eq!(ask(&facts, Method::PUT, "/latest/api/token", &[]).unwrap(), "ImdsToken");
    assert!(ask(&facts, Method::GET, roles, &[&token]).is_ok());
    for tokens in [&[][..], &["x"], &[&other_port], &[&token, &token]] {
        assert_eq!(ask(&facts, Method::GET, roles, tokens), Err(Denied::NoImdsToken), "{tokens:?}");
    }
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::HEAD] {
        assert_eq!(ask(&facts, method.clone(), roles, &[&token]), Err(Denied::MethodNotAllowed), "{method}");
        assert_eq!(ask(&facts, method, "/credentials", &[]), Err(Denied::MethodNotAllowed));
    }
    assert_eq!(ask(&facts, Method::POST, "/latest/api/token", &[]), Err(Denied::MethodNotAllowed));
    let without = Facts { serves_imds: false, ..tokens.facts() };
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
    for host in OTHER_HOSTS {
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

/// The other tests of callers call `check_caller`; this one proves that `decide` obeys it, whatever the path, the
/// method, the tokens and the vault's state are.
#[test]
fn decide_refuses_every_caller_that_check_caller_refuses() {
    let tokens = TestTokens::new();
    let (own, active) = (tokens.token(&TokenOwner::Profile(admin())), tokens.token(&TokenOwner::Active));
    let imds = tokens.imds_tokens.issue(Timestamp::UNIX_EPOCH, PORT, 60);
    let allowed = [
        (Method::GET, "/credentials", ("authorization", active.as_str())),
        (Method::GET, "/credentials/adminUser", ("authorization", &own)),
        (Method::PUT, "/latest/api/token", (IMDS_TOKEN_HEADER.as_str(), &imds)),
        (Method::GET, "/latest/meta-data/iam/security-credentials/", (IMDS_TOKEN_HEADER.as_str(), &imds)),
    ];
    for (method, path, token) in &allowed {
        let parts = TestCaller::sdk().request(method, path, *token);
        assert!(decide(&parts, &tokens.facts()).access.is_ok(), "{method} {path}");
    }
    let not_allowed = [
        (Method::POST, "/credentials", ("authorization", active.as_str())),
        (Method::GET, "/credentials/%0a", ("authorization", &own)),
        (Method::DELETE, "/latest/api/token", (IMDS_TOKEN_HEADER.as_str(), &imds)),
        (Method::GET, "/", ("authorization", &active)),
    ];
    let closed = Refusal::Locked { reason: String::new(), remedy: String::new() };
    for caller in TestCaller::others() {
        let uid = caller.uid;
        for facts in [
            Facts { uid, ..tokens.facts() },
            Facts { uid, closed: Some(closed.clone()), ..tokens.facts() },
            Facts { uid, serves_imds: false, ..tokens.facts() },
            Facts { uid, serves_credentials: false, ..tokens.facts() },
        ] {
            for (method, path, token) in allowed.iter().chain(&not_allowed) {
                let parts = caller.request(method, path, *token);
                let reason = check_caller(&parts, &facts).expect_err("every other caller is refused");
                let refused = Err(Denied::Refused(Refusal::CallerRefused(reason)));
                assert_eq!(decide(&parts, &facts).access, refused, "{method} {path} from {caller:?}");
            }
        }
    }
}

#[test]
fn the_audit_log_gets_protocol_and_profile_from_the_same_parse() {
    let tokens = TestTokens::new();
    let decided = |facts: &Facts<'_>, path: &str| {
        let parts = parts(path, &[("host", "127.0.0.1:7746")]);
        let decision = decide(&parts, facts);
        (decision.protocol, decision.profile)
    };
    let main_port = tokens.facts();
    assert_eq!(decided(&main_port, "/credentials/adminUser"), (Protocol::Container, Some(admin())));
    assert_eq!(decided(&main_port, "/credentials"), (Protocol::Container, None));
    assert_eq!(decided(&main_port, "/latest/meta-data"), (Protocol::Imds, None));
    let imds_port = Facts { serves_credentials: false, ..tokens.facts() };
    assert_eq!(decided(&imds_port, "/credentials/adminUser"), (Protocol::Imds, Some(admin())));
}

proptest! {
    #[test]
    fn only_two_spellings_of_the_host_are_accepted(host in "[0-9a-z.:\\[\\]@+-]{0,24}") {
        prop_assert_eq!(is_endpoint_host(&host, PORT), host == "127.0.0.1" || host == "127.0.0.1:7746");
    }
}
