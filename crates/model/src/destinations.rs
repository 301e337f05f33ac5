//! The endpoints to which the secrets of a sign-in may be sent.

use std::collections::BTreeSet;

use crate::public_url::without_secrets;
use crate::{Endpoints, StartUrl};

/// The endpoints to which the secrets of a sign-in may be sent: those that were configured when AWS issued them. They
/// are sealed with the secrets, so no later change of a variable or a file sends a secret elsewhere.
///
/// `None` is AWS's own host for the region. FIPS and dual-stack hosts are AWS's own, too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destinations {
    /// The sign-in service, which gets the client's secret and the refresh token.
    pub oidc: Option<String>,
    /// The portal, which gets the access token.
    pub portal: Option<String>,
    /// The portals that single profiles of the session named for their own calls.
    pub profile_portals: BTreeSet<String>,
}

impl Destinations {
    /// Returns the destinations of a sign-in that is made with these endpoints. They contain no password.
    pub fn of(endpoints: &Endpoints) -> Self {
        Self {
            oidc: endpoints.oidc.as_deref().map(comparable),
            portal: endpoints.portal.as_deref().map(comparable),
            profile_portals: BTreeSet::new(),
        }
    }

    /// Returns the destinations of a sign-in that an older version of ssod or another program saved without recording
    /// them. If its start URL is https, they are AWS's. A start URL with plain http on loopback is possible only with
    /// endpoints on loopback, which a fake Identity Center has at the same address.
    pub fn assumed_for(start_url: &StartUrl) -> Self {
        if !start_url.is_loopback_http() {
            return Self::default();
        }
        let origin: String = start_url.as_str().split('/').take(3).collect::<Vec<_>>().join("/");
        let base = Some(comparable(&origin));
        Self { oidc: base.clone(), portal: base, profile_portals: BTreeSet::new() }
    }

    /// Adds the portals that single profiles name.
    #[must_use]
    pub fn with_profile_portals<'a>(self, endpoints: impl Iterator<Item = &'a Endpoints>) -> Self {
        let portals = endpoints.filter_map(|endpoints| endpoints.portal.as_deref()).map(comparable);
        Self { profile_portals: portals.collect(), ..self }
    }

    /// Returns whether a session with these endpoints may use the secrets.
    pub fn include(&self, endpoints: &Endpoints) -> bool {
        is_same(self.oidc.as_deref(), endpoints.oidc.as_deref())
            && is_same(self.portal.as_deref(), endpoints.portal.as_deref())
    }

    /// Returns whether the portal of a profile's own endpoints, if it has any, may get the access token.
    pub fn include_portal_of(&self, own: Option<&Endpoints>) -> bool {
        let Some(endpoints) = own else { return true };
        match endpoints.portal.as_deref() {
            own if is_same(self.portal.as_deref(), own) => true,
            Some(own) => self.profile_portals.contains(&comparable(own)),
            None => false,
        }
    }
}

/// Returns whether the URL of an endpoint is the sealed one. Every decision asks for that, and the sealed form of a
/// text costs four allocations, so the text itself is compared first: the sealed form of a sealed form is the same.
fn is_same(sealed: Option<&str>, url: Option<&str>) -> bool {
    match (sealed, url) {
        (Some(sealed), Some(url)) => sealed == url || sealed == comparable(url),
        (sealed, url) => sealed == url,
    }
}

/// Returns the form of an endpoint's URL that is sealed and compared. A password does not change where a request goes.
/// A text that is no URL is never called, and is compared as it is.
fn comparable(url: &str) -> String {
    without_secrets(url).unwrap_or_else(|| url.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(oidc: Option<&str>, portal: Option<&str>) -> Endpoints {
        Endpoints { oidc: oidc.map(str::to_owned), portal: portal.map(str::to_owned), ..Endpoints::default() }
    }

    #[test]
    fn secrets_stay_with_the_endpoints_that_issued_them() {
        let (aws, test, other) = (None, Some("https://test.example"), Some("https://other.example"));
        for (issued, now, may_use) in [
            ((aws, aws), (aws, aws), true),
            ((test, other), (test, other), true),
            ((aws, aws), (test, aws), false),
            ((aws, aws), (aws, test), false),
            ((test, test), (aws, aws), false),
            ((test, test), (test, other), false),
            ((test, test), (other, test), false),
            ((test, test), (Some("https://test.example/"), Some("https://u:p@test.example")), true),
        ] {
            let issued = Destinations::of(&endpoints(issued.0, issued.1));
            assert_eq!(issued.include(&endpoints(now.0, now.1)), may_use, "{issued:?} {now:?}");
        }
        let fips = Endpoints { fips: true, dual_stack: true, ..Endpoints::default() };
        assert!(Destinations::default().include(&fips), "these hosts are AWS's, too");
    }

    proptest::proptest! {
        #[test]
        fn comparing_the_text_first_decides_as_comparing_the_sealed_forms(
            sealed in URLS, other in URLS
        ) {
            let sealed_form = comparable(&sealed);
            proptest::prop_assert_eq!(&comparable(&sealed_form), &sealed_form);
            for url in [&sealed, &sealed_form, &other] {
                proptest::prop_assert_eq!(is_same(Some(&sealed_form), Some(url)), sealed_form == comparable(url));
            }
        }
    }

    /// URLs with and without each part, and texts that are none.
    const URLS: &str = "(https?://((u|%41)(:p)?@)?(test\\.example|TEST\\.example|127\\.0\\.0\\.1|\\[::1\\])(:(80|443|8400))?(/|/a|/a/|//|/%7e/\\.\\./b)?([?#][a-z]{0,2})?|\\PC{0,12})";

    #[test]
    fn a_profiles_own_portal_needs_to_be_known_at_the_sign_in() {
        let own = endpoints(None, Some("https://test.example"));
        let at_aws = Destinations::default();
        assert!(at_aws.include_portal_of(None));
        assert!(!at_aws.include_portal_of(Some(&own)));
        let known = at_aws.with_profile_portals(std::iter::once(&own));
        assert!(known.include_portal_of(Some(&own)) && known.include(&endpoints(None, None)));
        assert!(!known.include_portal_of(Some(&endpoints(None, Some("https://other.example")))));
        let fips = Endpoints { fips: true, ..Endpoints::default() };
        assert!(known.include_portal_of(Some(&fips)), "this host is AWS's, too");
        // The sign-in was made at an endpoint for tests, and the profile names AWS's.
        assert!(!Destinations::of(&endpoints(None, own.portal.as_deref())).include_portal_of(Some(&fips)));
    }

    #[test]
    fn a_sign_in_without_recorded_endpoints_belongs_to_aws_or_to_the_fake_at_its_start_url() {
        let of = |url: &str| Destinations::assumed_for(&StartUrl::parse(url).unwrap());
        assert_eq!(of("https://x.awsapps.com/start"), Destinations::default());
        let fake = Some("http://127.0.0.1:8400");
        assert!(of("http://127.0.0.1:8400/start").include(&endpoints(fake, fake)));
        assert!(!of("http://127.0.0.1:8400/start").include(&endpoints(None, None)));
        assert!(!of("https://x.awsapps.com/start").include(&endpoints(fake, fake)));
    }
}
