//! The endpoints that are called instead of AWS's own, for `ssod status` and `ssod doctor`.

use std::collections::BTreeMap;

use ssod_control::EndpointOverride;
use ssod_model::{CredentialSource, SessionName, SsoSession, public_url};

use super::context::DaemonFacts;
use crate::live_broker::LiveBroker;

const PORTAL_VARIABLE: &str = "AWS_ENDPOINT_URL_SSO";
const OIDC_VARIABLE: &str = "AWS_ENDPOINT_URL_SSO_OIDC";
const SECTION: &str = "A [services] section";

/// Returns the endpoints that each session and its profiles call instead of AWS's own, without passwords.
pub(super) fn endpoint_overrides(
    broker: &LiveBroker,
    facts: &DaemonFacts,
) -> BTreeMap<SessionName, Vec<EndpointOverride>> {
    let mut found: BTreeMap<SessionName, Vec<EndpointOverride>> = BTreeMap::new();
    for session in broker.session_names().iter().filter_map(|name| broker.session(name)) {
        found.entry(session.name.clone()).or_default().extend(of_session(&session, facts));
    }
    for ((session, url), profiles) in profile_portals(broker) {
        let own = EndpointOverride { profiles, ..portal(&url, facts) };
        found.entry(session).or_default().push(own);
    }
    found
}

fn of_session(session: &SsoSession, facts: &DaemonFacts) -> impl Iterator<Item = EndpointOverride> {
    let endpoints = &session.endpoints;
    let oidc =
        endpoints.oidc.as_deref().map(|url| endpoint(EndpointOverride::OIDC, OIDC_VARIABLE, url, facts));
    oidc.into_iter().chain(endpoints.portal.as_deref().map(|url| portal(url, facts)))
}

/// Returns the portals that single profiles of a session call, each with these profiles.
fn profile_portals(broker: &LiveBroker) -> BTreeMap<(SessionName, String), Vec<String>> {
    let mut portals: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for profile in broker.profile_names().iter().filter_map(|name| broker.profile(name)) {
        if let Some(url) = profile.endpoints.as_ref().and_then(|own| own.portal.clone()) {
            portals.entry((profile.session.clone(), url)).or_default().push(profile.name.to_string());
        }
    }
    portals
}

fn portal(url: &str, facts: &DaemonFacts) -> EndpointOverride {
    endpoint(EndpointOverride::PORTAL, PORTAL_VARIABLE, url, facts)
}

fn endpoint(service: &str, variable: &str, url: &str, facts: &DaemonFacts) -> EndpointOverride {
    let url = public_url(url);
    let is_set_by_variable = facts.overrides.iter().any(|(name, value)| name == variable && *value == url);
    EndpointOverride {
        service: service.to_owned(),
        url,
        source: if is_set_by_variable { variable } else { SECTION }.to_owned(),
        profiles: Vec::new(),
    }
}
