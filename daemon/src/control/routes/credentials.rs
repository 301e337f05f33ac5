//! `POST /v1/credentials`: one profile's credentials for `credential_process`; `POST /v1/check`: whether it has
//! credentials, without returning them.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use ssod_control::{Checked, Credentials, CredentialsRequest};
use ssod_model::{CredentialSource, Floor, Profile, ProfileName, RoleCredentials};

use crate::audit::NoteOutcome;
use crate::control::auditor::{Auditor, refused};
use crate::control::failure::{Failure, RouteResult};
use crate::control::lookup::find_profile;
use crate::control::time::whole_seconds;
use crate::live_broker::LiveBroker;

/// Longer than the time limit of an SDK's request to the endpoint, which does not apply to a command.
const FETCH_TIME_LIMIT: Duration = Duration::from_secs(10);

pub(in crate::control) async fn answer(
    State(broker): State<LiveBroker>,
    auditor: Auditor,
    Json(request): Json<CredentialsRequest>,
) -> RouteResult<Credentials> {
    let outcome = fetch(&broker, &request.profile).await;
    record(&broker, &auditor, &request.profile, outcome.as_ref().err());
    let (profile, credentials) = outcome?;
    Ok(Json(Credentials {
        version: 1,
        access_key_id: credentials.access_key_id.clone(),
        secret_access_key: credentials.secret_access_key.expose().to_owned(),
        session_token: credentials.session_token.expose().to_owned(),
        expiration: whole_seconds(credentials.expiration),
        account_id: profile.account_id.to_string(),
    }))
}

pub(in crate::control) async fn check(
    State(broker): State<LiveBroker>,
    Json(request): Json<CredentialsRequest>,
) -> RouteResult<Checked> {
    let (profile, _) = fetch(&broker, &request.profile).await?;
    Ok(Json(Checked { profile: profile.name.to_string(), session: profile.session.to_string() }))
}

/// Notes in the audit log which program got the credentials, or was refused: the program that started `ssod`.
fn record(broker: &LiveBroker, auditor: &Auditor, name: &str, failure: Option<&Failure>) {
    let profile = ProfileName::parse(name).ok();
    if let (Some(profile), None) = (&profile, failure) {
        broker.used(profile, auditor.program().map(|program| program.name.clone()));
    }
    auditor.note_credentials(profile, failure.map_or(NoteOutcome::Served, refused));
}

async fn fetch(broker: &LiveBroker, name: &str) -> Result<(Arc<Profile>, Arc<RoleCredentials>), Failure> {
    let profile = find_profile(broker, name)?;
    let credentials = broker.fetch_within(&profile.name, Floor::CONTAINER, FETCH_TIME_LIMIT).await?;
    Ok((profile, credentials))
}
