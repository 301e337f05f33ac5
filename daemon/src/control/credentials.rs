//! `POST /v1/credentials`: one profile's credentials for `credential_process`; `POST /v1/check`: only whether there
//! are any. Both wait longer than an SDK does.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::{Extension, Json};
use ssod_control::{Checked, Credentials, CredentialsRequest};
use ssod_model::{CredentialSource, Floor, Profile, ProfileName, RoleCredentials};
use ssod_peer::UnixPeer;

use super::status::whole_seconds;
use super::{Answer, Failure, caller, find_profile};
use crate::app::{LiveBroker, Shared};

const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn answer(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<UnixPeer>,
    Json(request): Json<CredentialsRequest>,
) -> Answer<Credentials> {
    let (profile, credentials) = fetch(&shared, &request.profile, &peer).await?;
    Ok(Json(Credentials {
        version: 1,
        access_key_id: credentials.access_key_id.clone(),
        secret_access_key: credentials.secret_access_key.expose().to_owned(),
        session_token: credentials.session_token.expose().to_owned(),
        expiration: whole_seconds(credentials.expiration),
        account_id: profile.account_id.to_string(),
    }))
}

pub(super) async fn check(
    State(shared): State<Arc<Shared>>,
    Json(request): Json<CredentialsRequest>,
) -> Answer<Checked> {
    let (profile, _) = wanted(&shared.broker, &request.profile).await?;
    Ok(Json(Checked { profile: profile.name.to_string(), session: profile.session.to_string() }))
}

/// Hands out, and notes who got it: for `credential_process` that is whoever runs `ssod`.
async fn fetch(
    shared: &Shared,
    name: &str,
    peer: &UnixPeer,
) -> Result<(Arc<Profile>, Arc<RoleCredentials>), Failure> {
    let outcome = wanted(&shared.broker, name).await;
    let (now, program, profile) = (shared.clock.now(), caller(peer), ProfileName::parse(name).ok());
    let refused =
        outcome.as_ref().err().map(|failure| format!("{}: {}", failure.body.code, failure.body.message));
    if let (Some(profile), None) = (&profile, &refused) {
        shared.broker.used(profile, program.as_ref().map(|program| program.name.clone()));
    }
    shared.audit.note_control(now, "credential-process", peer, program, profile, refused);
    outcome
}

async fn wanted(broker: &LiveBroker, name: &str) -> Result<(Arc<Profile>, Arc<RoleCredentials>), Failure> {
    let profile = find_profile(broker, name)?;
    let credentials = broker.fetch_within(&profile.name, Floor::CONTAINER, PATIENCE).await?;
    Ok((profile, credentials))
}
