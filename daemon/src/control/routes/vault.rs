//! `POST /v1/vault/rekey`: creates a new key for the vault, in the same key store or in another one.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use ssod_control::{AuditAction, Paths, RekeyRequest, Rekeyed};
use ssod_vault::{KeyStore, KeyStoreChoice, RekeyError};

use crate::config::live_settings::LiveSettings;
use crate::control::auditor::Auditor;
use crate::control::failure::{Failure, RouteResult};
use crate::sentence::sentence;
use crate::vault::keeper::VaultKeeper;
use crate::vault::outcome::{NewKey, RekeyFailure};

pub(in crate::control) async fn rekey(
    State(keeper): State<VaultKeeper>,
    State(settings): State<LiveSettings>,
    State(paths): State<Arc<Paths>>,
    auditor: Auditor,
    Json(request): Json<RekeyRequest>,
) -> RouteResult<Rekeyed> {
    let is_move = request.key_store.is_some();
    let record = auditor.begin(if is_move { AuditAction::Move } else { AuditAction::Rekey });
    let target =
        request.key_store.as_deref().map(|word| target(&keeper, &settings, &paths, word)).transpose();
    let store = match target {
        Ok(store) => store,
        Err(refused) => return record.ended(Err(refused)),
    };
    let record = record.detail(store.map(|store| format!("to {store}")));
    // A separate task completes the rekey, and notes it, even if the client disconnects.
    let rekeying = tokio::spawn(async move { record.ended(rekey_to(&keeper, store).await) });
    rekeying.await.unwrap_or_else(|panicked| Err(Failure::broken(&panicked.into())))
}

async fn rekey_to(keeper: &VaultKeeper, store: Option<KeyStore>) -> RouteResult<Rekeyed> {
    match keeper.rekey(store).await {
        Ok(NewKey::First(store)) => Ok(Json(Rekeyed { key_store: store.to_string(), is_first: true })),
        Ok(NewKey::Replaced(store)) => Ok(Json(Rekeyed { key_store: store.to_string(), is_first: false })),
        Err(RekeyFailure::Failed(error)) => Err(failure(&error)),
        Err(RekeyFailure::Closed(state)) => Err(Failure::closed(&state)),
    }
}

/// Returns the store that the word names, if the settings allow it. Otherwise the settings would name another store
/// than the one that has the key.
fn target(
    keeper: &VaultKeeper,
    settings: &LiveSettings,
    paths: &Paths,
    word: &str,
) -> Result<KeyStore, Failure> {
    let wrong = |message: String, hint: String| {
        Failure::new(StatusCode::BAD_REQUEST, "KeyStore", sentence(&message), Some(hint))
    };
    let store = match word.parse() {
        Ok(KeyStoreChoice::Only(store)) => store,
        Ok(KeyStoreChoice::Auto) => {
            let hint = "Name one: secret-service, keyutils, keychain or file".to_owned();
            return Err(wrong("auto is not a key store".to_owned(), hint));
        }
        Err(error) => return Err(wrong(error, "See: ssod vault move --help".to_owned())),
    };
    if keeper.state().key_store() == Some(store) && !keeper.is_changing_key() {
        let hint = "For a new key in the same store: ssod vault rekey".to_owned();
        return Err(wrong(format!("the vault's key is in {store} already"), hint));
    }
    match settings.current().vault.key {
        KeyStoreChoice::Only(configured) if configured != store => {
            let file = paths.settings.display();
            Err(wrong(
                format!("[vault] key in config.toml says {configured}"),
                format!("Set it to \"{store}\" (or \"auto\") in {file}, then run this again"),
            ))
        }
        _ => Ok(store),
    }
}

fn failure(error: &RekeyError) -> Failure {
    let hint = match error {
        RekeyError::Incomplete(_) => {
            "The new key is in force, and the old one still opens the other files; the next start completes the change"
        }
        RekeyError::NotStarted(_) => "The old key is still in force, and nothing is lost",
    };
    Failure::new(StatusCode::BAD_GATEWAY, "KeyStore", sentence(&error.to_string()), Some(hint.to_owned()))
}
