//! Restricts the URLs that the user's browser may open to the hosts of the session.

use ssod_identity_center::oidc_base;
use ssod_model::SsoSession;
use url::{Host, Url};

/// AWS's domains for portals and sign-in pages, as in the AWS CLI.
const SUFFIXES: [&str; 8] = [
    ".app.aws",
    ".portal.amazonaws.com",
    ".portal.amazonaws.com.cn",
    ".app.amazonwebservices.com.cn",
    ".portal.amazonaws.eu",
    ".api.amazonwebservices.eu",
    ".awsapps.com",
    ".awsapps.cn",
];

/// Returns whether the URL may be opened to sign in to the session.
pub(crate) fn allows(session: &SsoSession, url: &str) -> bool {
    let (Ok(url), Ok(oidc), Ok(start)) =
        (Url::parse(url), Url::parse(&oidc_base(session)), Url::parse(session.start_url.as_str()))
    else {
        return false;
    };
    if !url.username().is_empty() || url.password().is_some() {
        return false;
    }
    // An endpoint override on loopback is a test with a fake Identity Center. Only then is http on loopback allowed.
    if session.endpoints.oidc.is_some() && is_loopback(&oidc) && is_loopback(&url) {
        return matches!(url.scheme(), "http" | "https");
    }
    let Some(host) = url.host_str().filter(|_| url.scheme() == "https") else { return false };
    let device = format!("device.sso.{}.amazonaws.com", session.region);
    [start.host_str(), oidc.host_str(), Some(device.as_str())].contains(&Some(host))
        || SUFFIXES.iter().any(|suffix| host.ends_with(suffix))
}

/// Returns whether the session's start URL may be used: plain http only if the endpoint is on loopback too.
pub(crate) fn allows_start_url(session: &SsoSession) -> bool {
    let overridden = session.endpoints.oidc.as_deref().and_then(|url| Url::parse(url).ok());
    !session.start_url.is_loopback_http() || overridden.is_some_and(|url| is_loopback(&url))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use ssod_model::{Endpoints, Region, SessionName, StartUrl};

    use super::*;

    fn session(oidc: Option<&str>, start: &str) -> SsoSession {
        SsoSession {
            name: SessionName::parse("s").unwrap(),
            start_url: StartUrl::parse(start).unwrap(),
            region: Region::parse("us-east-1").unwrap(),
            scopes: vec![],
            endpoints: Endpoints { oidc: oidc.map(str::to_owned), ..Endpoints::default() },
        }
    }

    #[test]
    fn only_the_hosts_of_the_session_are_allowed() {
        let real = session(None, "https://sso.example.com/start");
        for good in [
            "https://oidc.us-east-1.amazonaws.com/authorize?x=y",
            "https://device.sso.us-east-1.amazonaws.com/?user_code=A",
            "https://d-1234567890.awsapps.com/start/#/device",
            "https://sso.example.com/start",
        ] {
            assert!(allows(&real, good), "{good}");
        }
        for bad in [
            "http://oidc.us-east-1.amazonaws.com/authorize",
            "https://evil.test/",
            "https://evil.test/?oidc.us-east-1.amazonaws.com",
            "https://oidc.us-east-1.amazonaws.com@evil.test/",
            "https://user@sso.example.com/",
            "https://evilawsapps.com/",
            "http://127.0.0.1:8400/device",
            "file:///etc/passwd",
            "javascript:alert(1)",
            "--help",
        ] {
            assert!(!allows(&real, bad), "{bad}");
        }
    }

    #[test]
    fn loopback_is_allowed_only_for_a_session_with_a_loopback_endpoint() {
        let fake = session(Some("http://127.0.0.1:8400"), "http://127.0.0.1:8400/start");
        assert!(allows(&fake, "http://127.0.0.1:8400/device") && allows_start_url(&fake));
        assert!(!allows(&fake, "http://evil.test/device"));
        assert!(!allows_start_url(&session(None, "http://127.0.0.1:8400/start")));
    }
}
