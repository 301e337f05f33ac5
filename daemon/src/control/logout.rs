//! `POST /v1/logout`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use ssod_control::{LoggedOut, LogoutRequest, LogoutResult, StillValid};
use ssod_model::{CredentialSource, ProfileName, SessionName};

use super::status::whole_seconds;
use super::{Answer, Failure, find, must_be_open};
use crate::app::Shared;

pub(super) async fn answer(
    State(shared): State<Arc<Shared>>,
    Json(request): Json<LogoutRequest>,
) -> Answer<LogoutResult> {
    must_be_open(&shared)?;
    let sessions = match &request.name {
        Some(name) => vec![find(&shared.broker, name)?.0],
        None => shared.broker.known_sessions(),
    };
    // All at once: handing out stops before the first call to AWS is answered.
    let logouts = sessions.iter().map(|session| shared.broker.logout(session));
    let mut done = Vec::new();
    for outcome in futures_util::future::join_all(logouts).await {
        let logout = outcome?;
        let still_valid = logout.still_valid.into_iter();
        done.push(LoggedOut {
            session: logout.session.to_string(),
            was_signed_in: logout.was_signed_in,
            still_valid: still_valid
                .map(|(profile, until)| StillValid {
                    profile: profile.to_string(),
                    until: whole_seconds(until),
                })
                .collect(),
            not_told: logout.not_told,
        });
    }
    if request.revoke_shells {
        revoke(&shared, request.name.as_ref().map(|_| sessions.as_slice())).await?;
    }
    Ok(Json(LogoutResult { sessions: done }))
}

/// Gives new endpoint tokens to the profiles of these sessions, or to all: what an open shell has is refused from now on. The
/// token that follows `ssod use` may stand for any profile, so it is always among them.
async fn revoke(shared: &Arc<Shared>, sessions: Option<&[SessionName]>) -> Result<(), Failure> {
    let is_meant = |profile: Option<&ProfileName>| match (profile, sessions) {
        (Some(profile), Some(sessions)) => {
            shared.broker.profile(profile).is_none_or(|profile| sessions.contains(&profile.session))
        }
        _ => true,
    };
    // Ordered with a lock: new tokens for nobody would be no revocation.
    let _unchanging = shared.keeper.unchanging().await;
    must_be_open(shared)?;
    let profiles = shared.broker.profile_names();
    let revoked: Vec<_> =
        std::iter::once(None).chain(profiles.iter().map(Some)).filter(|profile| is_meant(*profile)).collect();
    let old: Vec<_> = revoked.iter().map(|profile| shared.token_file(*profile)).collect();
    shared.memory.keep_revoked(revoked.into_iter()).map_err(|error| Failure::broken(&error))?;
    for file in old {
        // What a shell reads is another file now; the old one only lies about.
        let _ = std::fs::remove_file(file);
    }
    shared.tokens.renew(is_meant).map_err(|error| Failure::broken(&error.into()))?;
    shared.provide_tokens_now().await.map_err(|error| Failure::broken(&error))
}
