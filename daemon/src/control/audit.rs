//! `POST /v1/audit/write`: what waits to be written to the audit log is written, for somebody who reads it now.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use ssod_control::Done;

use super::{Answer, Failure};
use crate::app::Shared;

const PATIENCE: Duration = Duration::from_millis(500);

pub(super) async fn write(State(shared): State<Arc<Shared>>) -> Answer<Done> {
    let writing = tokio::task::spawn_blocking(move || shared.audit.finish(PATIENCE));
    writing.await.map_err(|panicked| Failure::broken(&panicked.into()))?;
    Ok(Json(Done {}))
}
