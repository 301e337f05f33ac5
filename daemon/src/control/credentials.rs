//! `POST /v1/credentials`: one profile's credentials for `credential_process`; `POST /v1/check`: only whether there
//! are any. Both wait longer than an SDK does.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::{Extension, Json};
use ssod_control::{Checked, Credentials, CredentialsRequest};
use ssod_model::{CredentialSource, Floor, Profile, Refusal, RoleCredentials, Timer};
use ssod_peer::Peer;

use super::status::whole_seconds;
use super::{Answer, Failure, caller, find_profile};
use crate::app::{LiveBroker, Shared};

const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn answer<C: Timer + Clone>(
    State(shared): State<Arc<Shared<C>>>,
    Extension(peer): Extension<Peer>,
    Json(request): Json<CredentialsRequest>,
) -> Answer<Credentials> {
    let (profile, credentials) = fetch(&shared.broker, &request.profile, peer).await?;
    Ok(Json(Credentials {
        version: 1,
        access_key_id: credentials.access_key_id.clone(),
        secret_access_key: credentials.secret_access_key.expose().to_owned(),
        session_token: credentials.session_token.expose().to_owned(),
        expiration: whole_seconds(credentials.expiration),
        account_id: profile.account_id.to_string(),
    }))
}

pub(super) async fn check<C: Timer + Clone>(
    State(shared): State<Arc<Shared<C>>>,
    Extension(peer): Extension<Peer>,
    Json(request): Json<CredentialsRequest>,
) -> Answer<Checked> {
    let (profile, _) = fetch(&shared.broker, &request.profile, peer).await?;
    Ok(Json(Checked { profile: profile.name.to_string(), session: profile.session.to_string() }))
}

async fn fetch<C: Timer>(
    broker: &LiveBroker<C>,
    name: &str,
    peer: Peer,
) -> Result<(Arc<Profile>, Arc<RoleCredentials>), Failure> {
    let profile = find_profile(broker, name)?;
    let name = profile.name.clone();
    let credentials = match tokio::time::timeout(PATIENCE, broker.fetch(&name, Floor::CONTAINER)).await {
        Ok(outcome) => outcome?,
        Err(_) => broker.held(&name).ok_or_else(|| Refusal::Unavailable {
            profile: name,
            reason: "AWS did not answer within 10 seconds".to_owned(),
        })?,
    };
    broker.used(&profile.name, caller(peer));
    Ok((profile, credentials))
}
