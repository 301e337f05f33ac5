//! `[lock] presence`: a lock also locks the keyring that has the key, and an unlock needs its password, so that not every
//! program of the user can unlock ssod.

use std::time::Duration;

use ssod_vault::{KeyStore, KeyStoreError, lock_keyring, require_keyring_password};

use super::VaultKeeper;
use crate::vault::state::VaultState;

/// How long the keyring's prompt waits for the password. A client waits a little longer for its answer.
const PROMPT_TIMEOUT: Duration = Duration::from_secs(30);

impl VaultKeeper {
    /// Locks the keyring if the settings require the user's presence and that key store has a password.
    pub(super) async fn lock_keyring(&self, store: Option<KeyStore>) -> Result<(), KeyStoreError> {
        if !self.requires_presence(store) {
            return Ok(());
        }
        blocking(lock_keyring).await
    }

    /// Succeeds if the vault is not locked by the user, or if the user has entered the keyring's password.
    pub(super) async fn require_presence(&self) -> Result<(), KeyStoreError> {
        if self.state() != VaultState::Locked || !self.requires_presence(self.0.services.vault.key_store()) {
            return Ok(());
        }
        let Ok(_prompt) = self.0.prompt.try_lock() else {
            let reason = "a prompt is already waiting for the password".to_owned();
            return Err(KeyStoreError::PasswordNotEntered { reason });
        };
        blocking(|| require_keyring_password(PROMPT_TIMEOUT)).await
    }

    fn requires_presence(&self, store: Option<KeyStore>) -> bool {
        self.0.services.settings.current().lock.presence && store.is_some_and(KeyStore::has_password)
    }
}

async fn blocking(
    call: impl FnOnce() -> Result<(), KeyStoreError> + Send + 'static,
) -> Result<(), KeyStoreError> {
    tokio::task::spawn_blocking(call).await.unwrap_or_else(|panicked| {
        Err(KeyStoreError::Broken { store: KeyStore::SecretService, reason: panicked.to_string() })
    })
}
