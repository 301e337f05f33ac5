//! The profile and session names that shell completion offers.

use clap_complete::CompletionCandidate;
use ssod_control::{Paths, Status};

use crate::daemon_process;

/// The completion script sets this variable when it runs ssod to get candidates.
pub(crate) const VARIABLE: &str = "SSOD_COMPLETE";

/// Returns the profiles and sessions of a running daemon. Does not start a daemon, because completion must not wait.
pub(crate) fn profile_and_session_names() -> Vec<CompletionCandidate> {
    let Some(status) = status() else { return Vec::new() };
    let sessions = status.sessions.into_iter().map(|session| session.name);
    let profiles = status.profiles.into_iter().map(|profile| profile.name);
    profiles.chain(sessions).map(CompletionCandidate::new).collect()
}

/// Returns the profiles only.
pub(crate) fn profile_names() -> Vec<CompletionCandidate> {
    let profiles = status().map(|status| status.profiles).unwrap_or_default();
    profiles.into_iter().map(|profile| CompletionCandidate::new(profile.name)).collect()
}

fn status() -> Option<Status> {
    daemon_process::find_running(&Paths::from_environment().ok()?).ok()??.get("/v1/status").ok()
}
