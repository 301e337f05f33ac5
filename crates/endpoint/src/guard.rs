//! Decides about access: a pure function from a request's facts to what is allowed, or why it is refused. Every request
//! passes through it, and nothing else decides about access.
//!
//! It accepts AWS SDKs of this user on this machine. It refuses other users, browsers that a web page controls, names
//! that DNS rebinding points at this machine, and proxies that forward other callers' requests.

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use ssod_model::{ProfileName, Refusal, Timestamp};

use crate::audit::Protocol;
use crate::imds_token::ImdsTokens;
use crate::target::RequestTarget;
use crate::tokens::{TokenOwner, Tokens};

/// Headers that a browser adds to the requests of a page, and that no SDK sends. `Sec-Fetch-Mode` is missing on
/// purpose, because Node's fetch sends it.
const BROWSER_HEADERS: [&str; 5] = ["origin", "referer", "sec-fetch-site", "sec-fetch-dest", "cookie"];
/// Headers that a proxy adds when it forwards another caller's request.
const FORWARDING_HEADERS: [&str; 6] =
    ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded", "x-real-ip", "via"];
static IMDS_TOKEN_HEADER: HeaderName = HeaderName::from_static("x-aws-ec2-metadata-token");

/// The facts about a request that are not in its head.
pub(crate) struct Facts<'a> {
    /// The user who made the connection; `None` if the kernel did not report it.
    pub(crate) uid: Option<u32>,
    /// The user whom the endpoint serves.
    pub(crate) own_uid: u32,
    /// The port that the request came to.
    pub(crate) port: u16,
    /// Whether that port serves container credentials.
    pub(crate) serves_credentials: bool,
    /// Whether that port serves IMDS.
    pub(crate) serves_imds: bool,
    /// The refusal for every caller while the vault is not open.
    pub(crate) closed: Option<Refusal>,
    pub(crate) now: Timestamp,
    pub(crate) tokens: &'a Tokens,
    pub(crate) imds_tokens: &'a ImdsTokens,
}

/// What a request may get.
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
    /// The caller gets this refusal.
    Refused(Refusal),
    /// The request is for IMDS and has no live token.
    NoImdsToken,
    /// There is nothing at the path.
    NotFound,
    /// The path does not support that method.
    MethodNotAllowed,
}

/// The decision about one request, with what the audit log needs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct GuardDecision<'a> {
    /// The protocol of the request.
    pub(crate) protocol: Protocol,
    /// The profile that the path names.
    pub(crate) profile: Option<ProfileName>,
    /// What the request may get, or why it is refused.
    pub(crate) access: Result<Allowed<'a>, Denied>,
}

/// Decides about one request.
pub(crate) fn decide<'a>(parts: &'a Parts, facts: &Facts<'_>) -> GuardDecision<'a> {
    let target = RequestTarget::parse(parts.uri.path());
    // A port without container credentials is an IMDS port, whatever the path.
    let protocol = if facts.serves_credentials { target.protocol() } else { Protocol::Imds };
    let profile = target.named_profile().cloned();
    GuardDecision { protocol, profile, access: authorize(parts, target, facts) }
}

fn authorize<'a>(
    parts: &'a Parts,
    target: RequestTarget<'a>,
    facts: &Facts<'_>,
) -> Result<Allowed<'a>, Denied> {
    check_caller(parts, facts).map_err(|reason| Denied::Refused(Refusal::CallerRefused(reason)))?;
    match target {
        RequestTarget::Credentials(_) | RequestTarget::InvalidProfile(_) if facts.serves_credentials => {
            if parts.method != Method::GET {
                return Err(Denied::MethodNotAllowed);
            }
            if let Some(closed) = &facts.closed {
                return Err(Denied::Refused(closed.clone()));
            }
            authorize_credentials(parts, target, facts).map_err(Denied::Refused)
        }
        RequestTarget::Imds(path) if facts.serves_imds => authorize_imds(parts, path, facts),
        _ => Err(Denied::NotFound),
    }
}

fn authorize_credentials<'a>(
    parts: &Parts,
    target: RequestTarget<'a>,
    facts: &Facts<'_>,
) -> Result<Allowed<'a>, Refusal> {
    let owner = match target {
        RequestTarget::Credentials(owner) => owner,
        RequestTarget::InvalidProfile(name) => return Err(Refusal::ProfileNotFound(name)),
        RequestTarget::Imds(_) | RequestTarget::Unknown(_) => {
            return Err(Refusal::ProfileNotFound(String::new()));
        }
    };
    let given = only_value(&parts.headers, &header::AUTHORIZATION);
    if facts.tokens.matches(&owner, given, facts.now) {
        Ok(Allowed::Credentials(owner))
    } else {
        Err(Refusal::InvalidToken(owner.profile().map(ToString::to_string).unwrap_or_default()))
    }
}

fn authorize_imds<'a>(parts: &Parts, path: &'a str, facts: &Facts<'_>) -> Result<Allowed<'a>, Denied> {
    match (path.trim_end_matches('/'), &parts.method) {
        ("api/token", &Method::PUT) => Ok(Allowed::ImdsToken),
        (below, &Method::GET) => {
            let given = only_value(&parts.headers, &IMDS_TOKEN_HEADER);
            match facts.imds_tokens.is_live(facts.now, facts.port, given) {
                true if below == "api/token" => Err(Denied::MethodNotAllowed),
                true => Ok(Allowed::Imds(path)),
                false => Err(Denied::NoImdsToken),
            }
        }
        _ => Err(Denied::MethodNotAllowed),
    }
}

/// Refuses callers that are not an SDK of this user. The reason is for the user, whose own program may be the caller.
fn check_caller(parts: &Parts, facts: &Facts<'_>) -> Result<(), &'static str> {
    if facts.uid != Some(facts.own_uid) {
        return Err("it belongs to another user");
    }
    if has_any(&parts.headers, &BROWSER_HEADERS) {
        return Err("it is a web browser");
    }
    if has_any(&parts.headers, &FORWARDING_HEADERS) {
        return Err("the request was forwarded");
    }
    let host = host(&parts.headers).ok_or("exactly one Host header is required")?;
    if !is_endpoint_host(host, facts.port) {
        return Err("Host must be 127.0.0.1; the endpoint has no other name");
    }
    // A request target in absolute form also has a host, for which the same rule applies.
    if parts.uri.authority().is_some_and(|authority| !is_endpoint_host(authority.as_str(), facts.port)) {
        return Err("the request's target is another host");
    }
    Ok(())
}

/// Returns whether a header has one of the names. A request has few headers, so a comparison with each costs less than
/// a look-up of each name, which hashes it.
fn has_any(headers: &HeaderMap, names: &[&str]) -> bool {
    headers.keys().any(|header| names.contains(&header.as_str()))
}

/// Returns the value of the header with that name; empty if there is none or more than one.
fn only_value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a [u8] {
    let mut values = headers.get_all(name).iter();
    let only = values.next().filter(|_| values.next().is_none());
    only.map(HeaderValue::as_bytes).unwrap_or_default()
}

/// Returns the value of the Host header; `None` if there is none, more than one, or if it is not ASCII text.
fn host(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::HOST).iter();
    let host = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(host)
}

/// Returns whether the host is 127.0.0.1, with the port or, as the C SDK sends it, without it. A name that resolves to
/// 127.0.0.1 is not accepted, because that is what DNS rebinding uses.
fn is_endpoint_host(host: &str, port: u16) -> bool {
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
mod tests;
