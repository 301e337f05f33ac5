//! Whether AWS answers, and what overrides where and how ssod calls it.

use std::collections::BTreeMap;
use std::time::Duration;

use ssod_control::Check;
use ssod_identity_center::{ProbeAnswer, oidc_base, portal_base};
use ssod_model::{IdentityError, SsoSession};
use tokio::task::JoinSet;
use url::Url;

use crate::config::network::Proxy;
use crate::control::context::DaemonFacts;
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
        let host = without_secret(base);
        match answer {
            Ok(answer) if answer.is_from_aws => reachable.push(host),
            Ok(answer) => checks.push(Check::warning(
                "AWS",
                format!("{host} answers, but the answer does not look like AWS's: {answer}."),
                "A captive portal or a proxy may answer instead of AWS: open a web page in the browser, or check the proxy",
            )),
            Err(error) => checks.push(Check::failed(
                "AWS",
                sentence(&error.to_string()),
                "Check the network, a firewall, sso_region, and [network] proxy and ca_bundle in config.toml",
            )),
        }
    }
    if !reachable.is_empty() {
        checks.insert(0, Check::ok("AWS", format!("AWS answers at {}.", reachable.join(" and "))));
    }
    checks
}

/// Returns what overrides the usual way to AWS. Most of it is intended, so only another endpoint is a warning.
pub(super) fn overrides(facts: &DaemonFacts, broker: &LiveBroker) -> Vec<Check> {
    let names = broker.session_names();
    let sessions: Vec<_> = names.iter().filter_map(|name| broker.session(name)).collect();
    judge_overrides(facts, sessions.iter().map(AsRef::as_ref))
}

fn judge_overrides<'a>(facts: &DaemonFacts, sessions: impl Iterator<Item = &'a SsoSession>) -> Vec<Check> {
    let mut checks = Vec::new();
    for (variable, value) in &facts.overrides {
        let message = format!(
            "{variable}={} in the daemon's environment changes which endpoints ssod calls.",
            without_secret(value)
        );
        let fix = format!("If this is not intended: unset {variable}, and restart the daemon");
        checks.push(Check::warning("override", message, fix));
    }
    let is_variable = |url: &String| facts.overrides.iter().any(|(_, value)| value == url);
    for session in sessions {
        let endpoints = [&session.endpoints.oidc, &session.endpoints.portal];
        for url in endpoints.into_iter().flatten().filter(|url| !is_variable(url)) {
            let message = format!(
                "The AWS config file sends the sign-in of session {} to {}.",
                session.name,
                without_secret(url)
            );
            let fix = "If this is not intended: remove the services or endpoint_url of its profiles";
            checks.push(Check::warning("override", message, fix));
        }
    }
    if let Some(Proxy { url, source }) = &facts.proxy {
        let message = format!("ssod calls AWS through the proxy {} ({source}).", without_secret(url));
        checks.push(Check::ok("override", message));
    }
    if let Some(bundle) = &facts.ca_bundle {
        let message = format!("ssod trusts the certificates in {} besides the system's.", bundle.display());
        checks.push(Check::ok("override", message));
    }
    if checks.is_empty() {
        checks.push(Check::ok("override", "Nothing overrides where and how ssod calls AWS."));
    }
    checks
}

/// Returns the URL without user and password; a text that is no URL stays as it is, unless it could have a password.
fn without_secret(text: &str) -> String {
    match Url::parse(text) {
        Ok(mut url) if url.has_host() => {
            // Both fail only for a URL without a host.
            let _ = (url.set_username(""), url.set_password(None));
            url.as_str().trim_end_matches('/').to_owned()
        }
        _ => text.rsplit('@').next().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use ssod_control::CheckState;
    use ssod_model::{Endpoints, Region, SessionName, StartUrl};

    use super::*;

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
        let mut session = SsoSession {
            name: SessionName::parse("s").unwrap(),
            start_url: StartUrl::parse("https://x.awsapps.com/start").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
            scopes: vec![],
            endpoints: Endpoints::default(),
        };
        let mut facts = DaemonFacts { port: 1, overrides: vec![], proxy: None, ca_bundle: None };
        let none = [(CheckState::Ok, "Nothing overrides where and how ssod calls AWS.")];
        assert_eq!(shown(&judge_overrides(&facts, std::iter::once(&session))), none);
        facts.overrides = vec![("AWS_ENDPOINT_URL_SSO".to_owned(), "http://127.0.0.1:9".to_owned())];
        facts.proxy = Some(Proxy { url: "http://me:secret@proxy:8080".to_owned(), source: "HTTPS_PROXY" });
        facts.ca_bundle = Some("/etc/corporate.pem".into());
        session.endpoints.portal = Some("http://127.0.0.1:9".to_owned());
        session.endpoints.oidc = Some("http://localhost:4566".to_owned());
        assert_eq!(
            shown(&judge_overrides(&facts, std::iter::once(&session))),
            [
                (
                    CheckState::Warning,
                    "AWS_ENDPOINT_URL_SSO=http://127.0.0.1:9 in the daemon's environment changes which endpoints ssod calls."
                ),
                (
                    CheckState::Warning,
                    "The AWS config file sends the sign-in of session s to http://localhost:4566."
                ),
                (CheckState::Ok, "ssod calls AWS through the proxy http://proxy:8080 (HTTPS_PROXY)."),
                (CheckState::Ok, "ssod trusts the certificates in /etc/corporate.pem besides the system's."),
            ]
        );
        for (text, shown) in [
            ("https://u:p@h/", "https://h"),
            ("u:p@h:1", "h:1"),
            ("true", "true"),
            ("me:secret@proxy:8080", "proxy:8080"),
        ] {
            assert_eq!(without_secret(text), shown);
        }
    }
}
