//! `POST /v1/lock` and `POST /v1/unlock`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use ssod_control::{Locked, Unlocked};

use crate::control::failure::{Failure, RouteResult};
use crate::sentence::sentence;
use crate::vault::keeper::VaultKeeper;
use crate::vault::outcome::UnlockError;

pub(in crate::control) async fn lock(State(keeper): State<VaultKeeper>) -> RouteResult<Locked> {
    // A separate task completes the lock even if the client disconnects.
    let locking = tokio::spawn(async move { keeper.lock().await });
    let locked = locking.await.unwrap_or_else(|panicked| Err(panicked.into()));
    let lost = locked.map_err(|error| Failure::broken(&error))?;
    Ok(Json(Locked { lost: lost.iter().map(ToString::to_string).collect() }))
}

pub(in crate::control) async fn unlock(State(keeper): State<VaultKeeper>) -> RouteResult<Unlocked> {
    let was_open = keeper.is_open();
    let unlocking = tokio::spawn(async move { keeper.unlock().await });
    let unlocked = unlocking.await.unwrap_or_else(|panicked| Err(UnlockError::Failed(panicked.into())));
    let state = unlocked.map_err(failure)?;
    if state.is_open() { Ok(Json(Unlocked { was_open })) } else { Err(Failure::closed(&state)) }
}

fn failure(error: UnlockError) -> Failure {
    match error {
        UnlockError::NotPresent(error) => {
            let (message, hint) = (sentence(&error.to_string()), error.remedy().to_owned());
            Failure::new(StatusCode::FORBIDDEN, "Locked", message, Some(hint))
        }
        UnlockError::Failed(error) => Failure::broken(&error),
    }
}
