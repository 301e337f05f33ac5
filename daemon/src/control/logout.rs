//! `POST /v1/logout`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use ssod_control::{LoggedOut, LogoutRequest, LogoutResult, StillValid};
use ssod_model::Timer;

use super::status::whole_seconds;
use super::{Answer, find};
use crate::app::Shared;

pub(super) async fn answer<C: Timer + Clone>(
    State(shared): State<Arc<Shared<C>>>,
    Json(request): Json<LogoutRequest>,
) -> Answer<LogoutResult> {
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
    Ok(Json(LogoutResult { sessions: done }))
}
