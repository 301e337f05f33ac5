//! `POST /v1/vault/rekey`: a new key for the vault, in the same key store or in another.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use ssod_control::{RekeyRequest, Rekeyed};
use ssod_vault::{KeyStore, KeyStoreChoice, KeyStoreError};

use super::{Answer, Failure, sentence};
use crate::app::Shared;
use crate::vault_keeper::{self, NotRekeyed};

pub(super) async fn rekey(
    State(shared): State<Arc<Shared>>,
    Json(request): Json<RekeyRequest>,
) -> Answer<Rekeyed> {
    let store = request.key_store.as_deref().map(|word| target(&shared, word)).transpose()?;
    // Whole, also where whoever asked goes away.
    let rekeying = tokio::spawn(async move { vault_keeper::rekey(&shared, store).await });
    match rekeying.await {
        Ok(Ok(store)) => Ok(Json(Rekeyed { key_store: store.to_string() })),
        Ok(Err(NotRekeyed::Failed(error, half_done))) => Err(failure(&error, half_done)),
        Ok(Err(NotRekeyed::Closed(status))) => Err(Failure::closed(status)),
        Err(panicked) => Err(Failure::broken(&panicked.into())),
    }
}

/// The store of that word, where the settings allow it: otherwise they would contradict what is.
fn target(shared: &Shared, word: &str) -> Result<KeyStore, Failure> {
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
    if shared.keeper.key_store() == Some(store) && !shared.keeper.vault().is_changing_key() {
        let hint = "For a new key in the same place: ssod vault rekey".to_owned();
        return Err(wrong(format!("the vault's key is in {store} already"), hint));
    }
    match shared.settings().vault.key {
        KeyStoreChoice::Only(set) if set != store => Err(wrong(
            format!("[vault] key in config.toml says {set}"),
            format!(
                "Set it to \"{store}\" (or \"auto\") in {}, then run this again",
                shared.paths.settings.display()
            ),
        )),
        _ => Ok(store),
    }
}

/// What came of it, truly: once the new key's place is saved, the new key counts.
fn failure(error: &KeyStoreError, half_done: bool) -> Failure {
    let hint = if half_done {
        "The new key counts already; what is still under the old one opens, too, and the rest is done at the next start"
    } else {
        "The old key still counts, and nothing is lost"
    };
    Failure::new(StatusCode::BAD_GATEWAY, "KeyStore", sentence(&error.to_string()), Some(hint.to_owned()))
}
