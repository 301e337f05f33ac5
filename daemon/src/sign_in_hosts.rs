//! Restricts the URLs that the user's browser may open to the hosts of the session.

use ssod_identity_center::oidc_base;
use ssod_model::{Partition, SsoSession};
use url::{Host, Url};

/// Returns the parsed URL if it may be opened to sign in to the session. A browser understands the URL as it was
/// parsed, so only that form is shown to the user: it has no control characters, no letters that look like others, and
/// no characters that a terminal would reorder.
pub(crate) fn allowed_page(session: &SsoSession, url: &str) -> Option<Url> {
    Url::parse(url).ok().filter(|url| allows(session, url))
}

fn allows(session: &SsoSession, url: &Url) -> bool {
    let (Ok(oidc), Ok(start)) = (Url::parse(&oidc_base(session)), Url::parse(session.start_url.as_str()))
    else {
        return false;
    };
    if !url.username().is_empty() || url.password().is_some() {
        return false;
    }
    // An endpoint override on loopback is a test with a fake Identity Center. Only then is http on loopback allowed.
    if session.endpoints.oidc.is_some() && is_loopback(&oidc) && is_loopback(url) {
        return matches!(url.scheme(), "http" | "https");
    }
    let Some(host) = url.host_str().filter(|_| url.scheme() == "https") else { return false };
    let partition = Partition::of(&session.region);
    let device = partition.device_page(&session.region);
    [start.host_str(), oidc.host_str(), Some(device.as_str())].contains(&Some(host))
        || partition.has_portal(host)
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

    fn allows(session: &SsoSession, url: &str) -> bool {
        allowed_page(session, url).is_some()
    }

    fn session(oidc: Option<&str>, start: &str) -> SsoSession {
        session_in("us-east-1", oidc, start)
    }

    fn session_in(region: &str, oidc: Option<&str>, start: &str) -> SsoSession {
        SsoSession {
            name: SessionName::parse("s").unwrap(),
            start_url: StartUrl::parse(start).unwrap(),
            region: Region::parse(region).unwrap(),
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
    fn a_page_is_shown_as_a_browser_understands_it() {
        let real = session(None, "https://sso.example.com/start");
        let page = |url: &str| allowed_page(&real, url).map(String::from);
        let hostile = "https://sso.example.com/\u{1b}]0;t\u{7}\u{202e}?a=\u{9b}31m\n#\u{2066}";
        let shown = page(hostile).unwrap();
        assert!(shown.chars().all(|character| character.is_ascii_graphic()), "{shown:?}");
        assert!(shown.starts_with("https://sso.example.com/%1B]0;t%07%E2%80%AE?a=%C2%9B31m#"), "{shown}");
        assert_eq!(
            page("HTTPS://SSO.example.com:443/start\t/x").as_deref(),
            Some("https://sso.example.com/start/x")
        );
        assert_eq!(page("https://ss\u{43e}.example.com/start"), None, "a Cyrillic letter");
    }

    #[test]
    fn each_partition_may_open_its_own_pages_only() {
        let pages = [
            ("eu-central-1", "https://device.sso.eu-central-1.amazonaws.com/?user_code=A"),
            ("cn-north-1", "https://device.sso.cn-north-1.amazonaws.com.cn/?user_code=A"),
            ("cn-northwest-1", "https://start.home.awsapps.cn/directory/d-1#/device"),
            ("us-gov-east-1", "https://device.sso.us-gov-east-1.amazonaws.com/"),
            ("us-iso-east-1", "https://device.sso.us-iso-east-1.c2s.ic.gov/"),
            ("us-isob-east-1", "https://oidc.us-isob-east-1.sc2s.sgov.gov/authorize"),
            ("eu-isoe-west-1", "https://device.sso.eu-isoe-west-1.cloud.adc-e.uk/"),
            ("us-isof-south-1", "https://device.sso.us-isof-south-1.csp.hci.ic.gov/"),
            ("eusc-de-east-1", "https://ssoins-1.eusc-de-east-1.portal.amazonaws.eu/#/device"),
        ];
        for (region, _) in pages {
            let session = session_in(region, None, "https://sso.example.com/start");
            for (owner, page) in pages {
                // A portal in China is not bound to a region.
                let is_own = owner == region || (region == "cn-north-1" && page.contains("awsapps.cn"));
                assert_eq!(allows(&session, page), is_own, "{region}: {page}");
            }
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
