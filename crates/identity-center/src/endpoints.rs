//! The base URLs of the two services for a session.

use ssod_model::{Endpoints, Partition, SsoSession};

/// Returns the base URL of the OIDC service, without a trailing slash.
pub fn oidc_base(session: &SsoSession) -> String {
    base_url(session, session.endpoints.oidc.as_deref(), "oidc")
}

/// Returns the base URL of the portal, without a trailing slash.
pub fn portal_base(session: &SsoSession) -> String {
    base_url(session, session.endpoints.portal.as_deref(), "portal.sso")
}

/// Returns the base URL by the rules of botocore's endpoint rule sets for `sso` and `sso-oidc`.
fn base_url(session: &SsoSession, overridden: Option<&str>, service: &str) -> String {
    if let Some(url) = overridden {
        return url.trim_end_matches('/').to_owned();
    }
    let Endpoints { fips, dual_stack, .. } = session.endpoints;
    format!("https://{}", Partition::of(&session.region).host(service, &session.region, fips, dual_stack))
}

#[cfg(test)]
mod tests {
    use ssod_model::{Region, SessionName, StartUrl};

    use super::*;

    fn session(region: &str, fips: bool, dual_stack: bool) -> SsoSession {
        SsoSession {
            name: SessionName::parse("s").unwrap(),
            start_url: StartUrl::parse("https://x.awsapps.com/start").unwrap(),
            region: Region::parse(region).unwrap(),
            scopes: vec![],
            endpoints: Endpoints { fips, dual_stack, ..Endpoints::default() },
        }
    }

    #[test]
    fn hosts_depend_on_partition_fips_and_dual_stack() {
        for (region, fips, dual_stack, oidc, portal) in [
            ("us-east-1", false, false, "oidc.us-east-1.amazonaws.com", "portal.sso.us-east-1.amazonaws.com"),
            (
                "us-east-1",
                true,
                false,
                "oidc-fips.us-east-1.amazonaws.com",
                "portal.sso-fips.us-east-1.amazonaws.com",
            ),
            ("eu-west-1", false, true, "oidc.eu-west-1.api.aws", "portal.sso.eu-west-1.api.aws"),
            ("eu-west-1", true, true, "oidc-fips.eu-west-1.api.aws", "portal.sso-fips.eu-west-1.api.aws"),
            (
                "us-gov-west-1",
                true,
                false,
                "oidc.us-gov-west-1.amazonaws.com",
                "portal.sso.us-gov-west-1.amazonaws.com",
            ),
            (
                "cn-north-1",
                false,
                false,
                "oidc.cn-north-1.amazonaws.com.cn",
                "portal.sso.cn-north-1.amazonaws.com.cn",
            ),
            (
                "eusc-de-east-1",
                false,
                true,
                "oidc.eusc-de-east-1.api.amazonwebservices.eu",
                "portal.sso.eusc-de-east-1.api.amazonwebservices.eu",
            ),
            (
                "us-iso-east-1",
                false,
                false,
                "oidc.us-iso-east-1.c2s.ic.gov",
                "portal.sso.us-iso-east-1.c2s.ic.gov",
            ),
            (
                "us-isob-east-1",
                true,
                false,
                "oidc-fips.us-isob-east-1.sc2s.sgov.gov",
                "portal.sso-fips.us-isob-east-1.sc2s.sgov.gov",
            ),
        ] {
            let session = session(region, fips, dual_stack);
            assert_eq!(oidc_base(&session), format!("https://{oidc}"));
            assert_eq!(portal_base(&session), format!("https://{portal}"));
        }
    }

    #[test]
    fn an_override_replaces_the_whole_base_url() {
        let mut session = session("us-east-1", true, true);
        session.endpoints.oidc = Some("http://127.0.0.1:9/".to_owned());
        assert_eq!(oidc_base(&session), "http://127.0.0.1:9");
    }
}
