//! `POST /v1/lock` and `POST /v1/unlock`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use ssod_control::{Locked, Unlocked};

use super::{Answer, Failure};
use crate::app::Shared;
use crate::vault_keeper;

pub(super) async fn lock(State(shared): State<Arc<Shared>>) -> Answer<Locked> {
    // Whole, also where whoever asked goes away.
    let locking = tokio::spawn(async move { vault_keeper::lock(&shared).await });
    let locked = locking.await.unwrap_or_else(|panicked| Err(panicked.into()));
    let lost = locked.map_err(|error| Failure::broken(&error))?;
    Ok(Json(Locked { lost: lost.iter().map(ToString::to_string).collect() }))
}

pub(super) async fn unlock(State(shared): State<Arc<Shared>>) -> Answer<Unlocked> {
    let was_open = shared.keeper.is_open();
    let unlocking = tokio::spawn(async move { vault_keeper::unlock(&shared).await });
    let opened = unlocking.await.unwrap_or_else(|panicked| Err(panicked.into()));
    let opened = opened.map_err(|error| Failure::broken(&error))?;
    opened.map_err(Failure::closed)?;
    Ok(Json(Unlocked { was_open }))
}
