//! `POST /v1/logout`.

use axum::Json;
use axum::extract::State;
use ssod_control::{AuditAction, LoggedOut, LogoutRequest, LogoutResult, StillValid};
use ssod_endpoint::TokenOwner;
use ssod_model::{CredentialSource, SessionName};

use crate::control::auditor::Auditor;
use crate::control::failure::{Failure, RouteResult};
use crate::control::lookup::{find, require_open};
use crate::control::time::whole_seconds;
use crate::live_broker::LiveBroker;
use crate::vault::keeper::VaultKeeper;
use crate::vault::outcome::RevokeError;

pub(in crate::control) async fn answer(
    State(keeper): State<VaultKeeper>,
    State(broker): State<LiveBroker>,
    auditor: Auditor,
    Json(request): Json<LogoutRequest>,
) -> RouteResult<LogoutResult> {
    let which = if request.name.is_some() { None } else { Some("every session") };
    let revoked = request.revoke_shells.then_some("shells revoked");
    let details: Vec<&str> = which.into_iter().chain(revoked).collect();
    let detail = Some(details.join(", ")).filter(|detail| !detail.is_empty());
    let record = auditor.begin(AuditAction::Logout).profile(request.name.as_deref()).detail(detail);
    // A separate task completes the sign-out, and notes it, even if the client disconnects.
    let signing_out = tokio::spawn(async move { record.ended(log_out(&keeper, &broker, &request).await) });
    signing_out.await.unwrap_or_else(|panicked| Err(Failure::broken(&panicked.into())))
}

async fn log_out(
    keeper: &VaultKeeper,
    broker: &LiveBroker,
    request: &LogoutRequest,
) -> RouteResult<LogoutResult> {
    require_open(keeper)?;
    let sessions = match &request.name {
        Some(name) => vec![find(broker, name)?.0],
        None => broker.known_sessions(),
    };
    sign_out(keeper, broker, request, &sessions).await
}

async fn sign_out(
    keeper: &VaultKeeper,
    broker: &LiveBroker,
    request: &LogoutRequest,
    sessions: &[SessionName],
) -> RouteResult<LogoutResult> {
    // All at the same time, so that no session's credentials are served while AWS answers for another session.
    let logouts = sessions.iter().map(|session| broker.logout(session));
    let outcomes = futures_util::future::join_all(logouts).await;
    // Some may have succeeded even if another one fails.
    let revoked = if request.revoke_shells {
        revoke(keeper, broker, request.name.as_ref().map(|_| sessions)).await
    } else {
        if outcomes.iter().any(|outcome| outcome.as_ref().map_or(true, |logout| logout.was_signed_in)) {
            keeper.revoke_copies().await;
        }
        Ok(())
    };
    let mut signed_out = Vec::new();
    for outcome in outcomes {
        let logout = outcome?;
        let still_valid = logout.still_valid.into_iter();
        signed_out.push(LoggedOut {
            session: logout.session.to_string(),
            was_signed_in: logout.was_signed_in,
            still_valid: still_valid
                .map(|(profile, until)| StillValid {
                    profile: profile.to_string(),
                    until: whole_seconds(until),
                })
                .collect(),
            not_told: logout.not_ended_at_aws,
        });
    }
    revoked?;
    Ok(Json(LogoutResult { sessions: signed_out, copies_accepted: keeper.copies_accepted() }))
}

/// Revokes the endpoint tokens of these sessions' profiles, or all of them, so that open shells are refused from then.
/// The token of the active profile can serve any profile, so it is always renewed.
async fn revoke(
    keeper: &VaultKeeper,
    broker: &LiveBroker,
    sessions: Option<&[SessionName]>,
) -> Result<(), Failure> {
    let is_revoked = |owner: &TokenOwner| match (owner, sessions) {
        (TokenOwner::Profile(profile), Some(sessions)) => {
            broker.profile(profile).is_none_or(|profile| sessions.contains(&profile.session))
        }
        _ => true,
    };
    keeper.revoke_tokens(is_revoked).await.map_err(|error| match error {
        RevokeError::Closed(state) => Failure::closed(&state),
        RevokeError::Failed(error) => Failure::broken(&error),
    })
}
