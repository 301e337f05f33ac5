//! Credentials within a caller's patience.

use std::sync::Arc;
use std::time::Duration;

use ssod_model::{Cached, CredentialSource, Floor, ProfileName, Refusal, RoleCredentials};

/// From memory where they are good; else a fetch for as long as the caller waits, then what is still unexpired.
/// The fetch goes on when the caller's patience ends.
pub(crate) async fn credentials<S: CredentialSource>(
    source: &S,
    profile: &ProfileName,
    floor: Floor,
    patience: Duration,
) -> Result<Arc<RoleCredentials>, Refusal> {
    match source.cached(profile, floor) {
        Cached::Ready(credentials) => return Ok(credentials),
        Cached::Refused(refusal) => return Err(refusal),
        Cached::Fetch => {}
    }
    match tokio::time::timeout(patience, source.fetch(profile, floor)).await {
        Ok(outcome) => outcome,
        Err(_) => source.held(profile).ok_or_else(|| Refusal::Unavailable {
            profile: profile.clone(),
            reason: "they are being renewed".to_owned(),
        }),
    }
}
