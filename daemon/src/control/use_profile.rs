//! `POST /v1/use`: chooses the active profile.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use ssod_broker::Active;
use ssod_control::{ActiveProfile, UseRequest};

use super::status::whole_seconds;
use super::{Answer, Failure, find_profile};
use crate::app::Shared;

pub(super) async fn answer(
    State(shared): State<Arc<Shared>>,
    Json(request): Json<UseRequest>,
) -> Answer<ActiveProfile> {
    let profile = match &request.profile {
        Some(name) => Some(find_profile(&shared.broker, name)?.name.clone()),
        None => None,
    };
    if let Some(profile) = &profile {
        shared.broker.used(profile, None);
    }
    let choose = || shared.broker.choose(profile, request.seconds.map(Duration::from_secs));
    let active = shared.memory.keep_active(choose).map_err(|error| {
        Failure::new(StatusCode::INSUFFICIENT_STORAGE, "NotSaved", format!("{error:#}."), None)
    })?;
    Ok(Json(active_profile(&active)))
}

pub(super) fn active_profile(active: &Active) -> ActiveProfile {
    ActiveProfile {
        profile: active.profile.as_ref().map(ToString::to_string),
        until: active.revert.as_ref().map(|(until, _)| whole_seconds(*until)),
        then: active.revert.as_ref().and_then(|(_, then)| then.as_ref().map(ToString::to_string)),
    }
}
