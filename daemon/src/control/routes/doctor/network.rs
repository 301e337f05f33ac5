//! Whether AWS answers, and what overrides where and how ssod calls it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ssod_control::{Check, EndpointOverride};
use ssod_identity_center::{ProbeAnswer, oidc_base, portal_base};
use ssod_model::{IdentityError, SessionName, public_url};
use tokio::task::JoinSet;

use crate::control::context::DaemonFacts;
use crate::control::overrides::endpoint_overrides;
use crate::live_broker::LiveBroker;
use crate::sentence::sentence;

/// How long an endpoint may take to answer. All are asked at the same time.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Requests the endpoints of all sessions, each once, without a secret.
pub(super) async fn reachability(broker: &LiveBroker) -> Vec<Check> {
    let names = broker.session_names();
    let sessions = names.iter().filter_map(|name| broker.session(name));
    let bases = sessions.flat_map(|session| [oidc_base(&session), portal_base(&session)]);
    let mut probes = JoinSet::new();
    for base in bases.collect::<std::collections::BTreeSet<_>>() {
        let provider = broker.provider().clone();
        probes.spawn(async move {
            let answer = provider.probe(&base, PROBE_TIMEOUT).await;
            (base, answer)
        });
    }
    let answers: BTreeMap<String, Result<ProbeAnswer, IdentityError>> =
        probes.join_all().await.into_iter().collect();
    judge_answers(&answers)
}

fn judge_answers(answers: &BTreeMap<String, Result<ProbeAnswer, IdentityError>>) -> Vec<Check> {
    let (mut checks, mut reachable) = (Vec::new(), Vec::new());
    for (base, answer) in answers {
        let host = public_url(base);
        match answer {
            Ok(answer) if answer.is_from_aws => reachable.push(host),
            Ok(answer) => checks.push(Check::warning(
                "AWS",
                format!("{host} answers, but the answer does not look like AWS's: {answer}."),
                "A captive portal or a proxy may answer instead of AWS: open a web page in the browser, or check the proxy",
            )),
            Err(error) => {
                let fix = match error {
                    IdentityError::UntrustedEndpoint { remedy, .. } => remedy,
                    _ => "Check the network, a firewall, sso_region, and [network] proxy and ca_bundle in config.toml",
                };
                checks.push(Check::failed("AWS", sentence(&error.to_string()), fix));
            }
        }
    }
    if !reachable.is_empty() {
        checks.insert(0, Check::ok("AWS", format!("AWS answers at {}.", reachable.join(" and "))));
    }
    checks
}

/// Returns what overrides the usual way to AWS. Most of it is intended, so only another endpoint is a warning.
pub(super) fn overrides(facts: &DaemonFacts, broker: &LiveBroker) -> Vec<Check> {
    judge_overrides(facts, &endpoint_overrides(broker, facts))
}

fn judge_overrides(
    facts: &DaemonFacts,
    endpoints: &BTreeMap<SessionName, Vec<EndpointOverride>>,
) -> Vec<Check> {
    let mut checks = Vec::new();
    for (variable, value) in &facts.overrides {
        let message =
            format!("{variable}={value} in the daemon's environment changes which endpoints ssod calls.");
        let fix = format!("If this is not intended: unset {variable}, and restart the daemon");
        checks.push(Check::warning("override", message, fix));
    }
    let is_variable = |name: &String| facts.overrides.iter().any(|(known, _)| known == name);
    let mut messages = BTreeSet::new();
    for (session, endpoints) in endpoints {
        for EndpointOverride { url, profiles, .. } in endpoints.iter().filter(|one| !is_variable(&one.source))
        {
            messages.insert(match profiles.as_slice() {
                [] => format!("The AWS config file sends the calls of session {session} to {url}."),
                [name] => format!("The AWS config file sends the calls of profile {name} to {url}."),
                [first, more @ ..] => format!(
                    "The AWS config file sends the calls of profile {first} and {} more to {url}.",
                    more.len()
                ),
            });
        }
    }
    let fix = "If this is not intended: remove services from these profiles";
    checks.extend(messages.into_iter().map(|message| Check::warning("override", message, fix)));
    if let Some(proxy) = facts.network.shown_proxy() {
        let message = format!("ssod calls AWS through the proxy {} ({}).", proxy.value, proxy.source());
        checks.push(Check::ok("override", message));
    }
    if let Some(bundle) = facts.network.shown_ca_bundle() {
        let (file, source) = (&bundle.value, bundle.source());
        let message = format!("ssod trusts the certificates in {file} ({source}) besides the system's.");
        checks.push(Check::ok("override", message));
    }
    if checks.is_empty() {
        checks.push(Check::ok("override", "Nothing overrides where and how ssod calls AWS."));
    }
    checks
}

#[cfg(test)]
mod tests {
    use ssod_control::CheckState;
    use std::path::Path;

    use super::*;
    use crate::config::network::Network;
    use crate::config::settings::NetworkSettings;

    fn shown(checks: &[Check]) -> Vec<(CheckState, &str)> {
        checks.iter().map(|check| (check.state, check.message.as_str())).collect()
    }

    #[test]
    fn every_answer_is_reachable_but_one_that_is_not_awss_is_a_warning() {
        let answer = |status, content_type: &str, is_from_aws| {
            Ok(ProbeAnswer { status, content_type: content_type.to_owned(), is_from_aws })
        };
        let answers = BTreeMap::from([
            ("https://oidc.us-east-1.amazonaws.com".to_owned(), answer(404, "application/json", true)),
            ("https://portal.sso.us-east-1.amazonaws.com".to_owned(), answer(302, "text/html", false)),
            (
                "https://portal.sso.us-east-2.amazonaws.com".to_owned(),
                Err(IdentityError::Unavailable(
                    "cannot reach portal.sso.us-east-2.amazonaws.com: refused".to_owned(),
                )),
            ),
        ]);
        assert_eq!(
            shown(&judge_answers(&answers)),
            [
                (CheckState::Ok, "AWS answers at https://oidc.us-east-1.amazonaws.com."),
                (
                    CheckState::Warning,
                    "https://portal.sso.us-east-1.amazonaws.com answers, but the answer does not look like AWS's: 302 text/html."
                ),
                (CheckState::Failed, "Cannot reach portal.sso.us-east-2.amazonaws.com: refused."),
            ]
        );
    }

    #[test]
    fn overrides_are_shown_without_their_passwords() {
        let session = SessionName::parse("s").unwrap();
        let mut facts = DaemonFacts { port: 1, overrides: vec![], network: Network::default() };
        let none = [(CheckState::Ok, "Nothing overrides where and how ssod calls AWS.")];
        assert_eq!(shown(&judge_overrides(&facts, &BTreeMap::new())), none);
        facts.overrides = vec![("AWS_ENDPOINT_URL_SSO".to_owned(), "http://127.0.0.1:9".to_owned())];
        let shell = |name: &str| match name {
            "HTTPS_PROXY" => Some("http://me:secret@proxy:8080".to_owned()),
            "AWS_CA_BUNDLE" => Some("/etc/corporate.pem".to_owned()),
            _ => None,
        };
        let settings_file = Path::new("/config.toml");
        facts.network = Network::find(&NetworkSettings::default(), settings_file, shell).unwrap();
        let endpoint = |source: &str, url: &str, profiles: &[&str]| EndpointOverride {
            source: source.to_owned(),
            url: url.to_owned(),
            profiles: profiles.iter().map(|name| (*name).to_owned()).collect(),
            ..EndpointOverride::default()
        };
        let section = "A [services] section";
        let endpoints = vec![
            endpoint("AWS_ENDPOINT_URL_SSO", "http://127.0.0.1:9", &[]),
            endpoint(section, "http://localhost:4566", &[]),
            endpoint(section, "http://localhost:4566", &[]),
            endpoint(section, "https://test.example", &["a"]),
            endpoint(section, "https://other.example", &["b", "c", "d"]),
        ];
        assert_eq!(
            shown(&judge_overrides(&facts, &BTreeMap::from([(session, endpoints)]))),
            [
                (
                    CheckState::Warning,
                    "AWS_ENDPOINT_URL_SSO=http://127.0.0.1:9 in the daemon's environment changes which endpoints ssod calls."
                ),
                (
                    CheckState::Warning,
                    "The AWS config file sends the calls of profile a to https://test.example."
                ),
                (
                    CheckState::Warning,
                    "The AWS config file sends the calls of profile b and 2 more to https://other.example."
                ),
                (
                    CheckState::Warning,
                    "The AWS config file sends the calls of session s to http://localhost:4566."
                ),
                (CheckState::Ok, "ssod calls AWS through the proxy http://proxy:8080 (HTTPS_PROXY)."),
                (
                    CheckState::Ok,
                    "ssod trusts the certificates in /etc/corporate.pem (AWS_CA_BUNDLE) besides the system's."
                ),
            ]
        );
    }
}
