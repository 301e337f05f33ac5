//! The keeper's work while the vault stays open or locked.

use ssod_model::{Timestamp, TimestampExt};
use ssod_vault::KeyStore;

use super::{RETRY_MAX, VaultKeeper, VaultServices};

impl VaultKeeper {
    /// Does what is due while the vault stays open.
    pub(super) async fn maintain(&self) {
        if self.key_needs_touch() {
            self.touch_key().await;
        }
        self.retry_revocation().await;
        if let Err(error) = self.renew_due_tokens().await {
            tracing::warn!("the endpoint's tokens cannot be renewed: {error:#}");
        }
    }

    /// Returns when the endpoint's tokens must be renewed, or a failed revocation is tried again.
    pub(super) fn maintenance_at(&self, now: Timestamp) -> Option<Timestamp> {
        let VaultServices { tokens, vault, .. } = &self.0.services;
        // Not at once, because a renewal that is overdue has just failed.
        let renewal = tokens.renewal_at().map(|at| if at > now { at } else { now.plus(RETRY_MAX) });
        let revocation = vault.accepts_revoked_copies().then(|| now.plus(RETRY_MAX));
        renewal.into_iter().chain(revocation).min()
    }

    /// Returns whether the key is in the kernel's keyring, which deletes unused keys.
    pub(super) fn key_needs_touch(&self) -> bool {
        self.0.services.vault.key_store() == Some(KeyStore::Keyutils)
    }

    /// Reads the key, so that the kernel keeps it.
    async fn touch_key(&self) {
        let _transition = self.lock_transition().await;
        let vault = self.0.services.vault.clone();
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || vault.touch_key()).await {
            tracing::warn!(%error, "the vault's key is no longer in its store; after a restart, the vault may not open");
        }
    }
}
