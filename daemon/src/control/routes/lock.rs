//! `POST /v1/lock` and `POST /v1/unlock`.

use axum::Json;
use axum::extract::State;
use ssod_control::{AuditAction, Locked, Unlocked};

use crate::control::auditor::Auditor;
use crate::control::failure::{Failure, RouteResult};
use crate::vault::keeper::VaultKeeper;

pub(in crate::control) async fn lock(
    State(keeper): State<VaultKeeper>,
    auditor: Auditor,
) -> RouteResult<Locked> {
    // A separate task completes the lock, and notes it, even if the client disconnects.
    let record = auditor.begin(AuditAction::Lock);
    let locking = tokio::spawn(async move {
        let locked = keeper.lock().await.map_err(|error| Failure::broken(&error));
        record.ended(locked)
    });
    let lost = locking.await.unwrap_or_else(|panicked| Err(Failure::broken(&panicked.into())))?;
    Ok(Json(Locked { lost: lost.iter().map(ToString::to_string).collect() }))
}

pub(in crate::control) async fn unlock(
    State(keeper): State<VaultKeeper>,
    auditor: Auditor,
) -> RouteResult<Unlocked> {
    let was_open = keeper.is_open();
    let record = auditor.begin(AuditAction::Unlock);
    let unlocking = tokio::spawn(async move { record.ended(try_unlock(&keeper).await) });
    unlocking.await.unwrap_or_else(|panicked| Err(Failure::broken(&panicked.into())))?;
    Ok(Json(Unlocked { was_open }))
}

async fn try_unlock(keeper: &VaultKeeper) -> Result<(), Failure> {
    let state = keeper.unlock().await.map_err(|error| Failure::broken(&error))?;
    if state.is_open() { Ok(()) } else { Err(Failure::closed(&state)) }
}
