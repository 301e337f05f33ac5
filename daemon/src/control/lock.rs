//! `POST /v1/lock` and `POST /v1/unlock`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use ssod_control::Done;
use ssod_model::Timer;

use super::{Answer, Failure};
use crate::app::Shared;
use crate::vault_keeper;

pub(super) async fn lock<C: Timer + Clone>(State(shared): State<Arc<Shared<C>>>) -> Answer<Done> {
    // Whole, also where whoever asked goes away.
    let locking = tokio::spawn(async move { vault_keeper::lock(&shared).await });
    locking.await.unwrap_or_else(|panicked| Err(panicked.into())).map_err(|error| Failure::broken(&error))?;
    Ok(Json(Done {}))
}

pub(super) async fn unlock<C: Timer + Clone>(State(shared): State<Arc<Shared<C>>>) -> Answer<Done> {
    let opened = vault_keeper::unlock(&shared).await.map_err(|error| Failure::broken(&error))?;
    opened.map_err(Failure::closed)?;
    Ok(Json(Done {}))
}
