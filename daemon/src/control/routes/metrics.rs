//! `GET /v1/metrics`: the content of `ssod status` in Prometheus' text format. Both use the same report, so they never
//! differ.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;
use ssod_control::Status;

use crate::control::report::Reporter;
use crate::live_broker::LiveBroker;

/// Prometheus' text format, version 0.0.4.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(in crate::control) async fn answer(
    State(reporter): State<Reporter>,
    State(broker): State<LiveBroker>,
) -> impl IntoResponse {
    let (ticks, busy_ticks) = (*broker.ticks().borrow(), broker.busy_ticks());
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text(&reporter.status(), ticks, busy_ticks))
}

fn text(status: &Status, ticks: u64, busy_ticks: u64) -> String {
    let mut text = Metrics::default();
    let daemon = &status.daemon;
    text.family("ssod_build_info", "gauge", "The daemon's version.");
    text.sample("ssod_build_info", &[("version", &daemon.version)], 1);
    text.family("ssod_vault_state", "gauge", "1 for the state that the vault is in.");
    text.sample("ssod_vault_state", &[("state", &daemon.vault.state)], 1);
    text.family("ssod_problems", "gauge", "The problems that ssod status shows.");
    text.sample("ssod_problems", &[], daemon.problems.len() as u64);
    text.family("ssod_engine_rounds_total", "counter", "The ticks of the refresher.");
    text.sample("ssod_engine_rounds_total", &[], ticks);
    text.family(
        "ssod_engine_rounds_with_work_total",
        "counter",
        "The ticks of the refresher that found due work.",
    );
    text.sample("ssod_engine_rounds_with_work_total", &[], busy_ticks);
    text.family("ssod_session_state", "gauge", "1 for the state that a session is in.");
    for session in &status.sessions {
        text.sample("ssod_session_state", &[("session", &session.name), ("state", &word(session.state))], 1);
    }
    text.family("ssod_session_token_seconds", "gauge", "The remaining lifetime of a session's access token.");
    for session in &status.sessions {
        text.sample_if("ssod_session_token_seconds", &[("session", &session.name)], session.remaining);
    }
    text.family("ssod_profile_state", "gauge", "1 for the state that a profile is in.");
    for profile in &status.profiles {
        text.sample("ssod_profile_state", &[("profile", &profile.name), ("state", &word(profile.state))], 1);
    }
    text.family(
        "ssod_profile_credentials_seconds",
        "gauge",
        "The remaining lifetime of a profile's credentials.",
    );
    for profile in &status.profiles {
        text.sample_if("ssod_profile_credentials_seconds", &[("profile", &profile.name)], profile.remaining);
    }
    text.0
}

/// Returns the state's word in the JSON of `ssod status`.
fn word(state: impl Serialize) -> String {
    serde_json::to_value(state).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

#[derive(Default)]
struct Metrics(String);

impl Metrics {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample_if(&mut self, name: &str, labels: &[(&str, &String)], value: Option<u64>) {
        if let Some(value) = value {
            self.sample(name, labels, value);
        }
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &String)], value: u64) {
        let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let labels: Vec<_> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metrics_show_the_values_of_the_status() {
        let status: Status = serde_json::from_str(
            r#"{"daemon":{"version":"1.2.3","vault":{"state":"open"},"problems":["the clock"]},
            "sessions":[{"name":"work","state":"active","start_url":"x","region":"r","remaining":60}],
            "profiles":[{"name":"odd \"name\"","session":"work","account_id":"1","role_name":"R","state":"on_demand"}]}"#,
        )
        .unwrap();
        let lines = text(&status, 7, 5);
        for line in [
            "ssod_build_info{version=\"1.2.3\"} 1",
            "ssod_vault_state{state=\"open\"} 1",
            "ssod_problems 1",
            "ssod_engine_rounds_total 7",
            "ssod_session_state{session=\"work\",state=\"active\"} 1",
            "ssod_session_token_seconds{session=\"work\"} 60",
            "ssod_profile_state{profile=\"odd \\\"name\\\"\",state=\"on_demand\"} 1",
        ] {
            assert!(lines.lines().any(|written| written == line), "{line} is missing in:\n{lines}");
        }
        assert!(!lines.contains("ssod_profile_credentials_seconds{"), "no profile has credentials");
    }
}
