//! `POST /v1/use`: chooses the active profile.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use ssod_control::{ActiveProfile, AuditAction, UseRequest};

use crate::control::auditor::Auditor;
use crate::control::failure::{Failure, RouteResult};
use crate::control::lookup::find_profile;
use crate::control::report::active_profile;
use crate::live_broker::LiveBroker;
use crate::state_file::StateFile;

pub(in crate::control) async fn answer(
    State(broker): State<LiveBroker>,
    State(state_file): State<Arc<StateFile>>,
    auditor: Auditor,
    Json(request): Json<UseRequest>,
) -> RouteResult<ActiveProfile> {
    let duration = request.seconds.map(|seconds| format!("for {seconds} seconds"));
    let record = auditor.begin(AuditAction::Use).profile(request.profile.as_deref()).detail(duration);
    record.ended(choose(&broker, &state_file, &request))
}

fn choose(broker: &LiveBroker, state_file: &StateFile, request: &UseRequest) -> RouteResult<ActiveProfile> {
    let profile = match &request.profile {
        Some(name) => Some(find_profile(broker, name)?.name.clone()),
        None => None,
    };
    if let Some(profile) = &profile {
        broker.used(profile, None);
    }
    let choose = || broker.choose(profile, request.seconds.map(Duration::from_secs));
    let active = state_file.save_active(choose).map_err(|error| {
        Failure::new(StatusCode::INSUFFICIENT_STORAGE, "NotSaved", format!("{error:#}."), None)
    })?;
    Ok(Json(active_profile(&active)))
}
