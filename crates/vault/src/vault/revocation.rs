//! Makes copies of the sealed files useless after a revocation.
//!
//! The key store has a counter beside the key, and each file is sealed with the counter of its time. A file with a lower
//! counter than the key store's is not used. A revocation first seals every file again with the next counter, and then
//! raises the key store's. So after an interruption at any step, the files have the old counter or the next one, and the
//! key store accepts both; [`Vault::unlock`] completes the revocation. A revocation that was interrupted has not been
//! confirmed to the user.

use std::sync::{MutexGuard, PoisonError};

use super::Vault;
use super::keys::is_same_key;
use super::rekey::broken;
use crate::key_store::access;
use crate::key_store::error::KeyStoreError;
use crate::key_store::kind::KeyStore;
use crate::key_store::location::KeyRecord;

impl Vault {
    /// Makes every copy of the sealed files that was made before this call useless. If a key store fails, the files of
    /// this vault stay usable, and [`retry_revocation`](Self::retry_revocation) completes the work. Blocks on the disk
    /// and the key store.
    pub fn revoke_copies(&self) -> Result<(), KeyStoreError> {
        let _key_store = self.lock_key_store();
        {
            let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
            if let Some(keys) = keys.as_mut() {
                keys.counter = keys.counter.saturating_add(1);
            }
        }
        self.report_unraised(self.complete_revocation())
    }

    /// Completes a revocation if one is not complete. Blocks on the disk and the key store.
    pub fn retry_revocation(&self) -> Result<(), KeyStoreError> {
        let _key_store = self.lock_key_store();
        self.report_unraised(self.complete_revocation())
    }

    /// Returns whether copies from before the last revocation can still be put back, because the key store failed.
    pub fn accepts_revoked_copies(&self) -> bool {
        self.unraised_counter().is_some()
    }

    /// Returns that as a problem with its remedy, without a full stop.
    pub fn revocation_problem(&self) -> Option<String> {
        self.unraised_counter().as_ref().map(|error| {
            format!(
                "A copy of the vault's files from before the last sign-out or revocation can still be put back: {error}. \
                 {}. ssod tries again every minute",
                error.remedy()
            )
        })
    }

    fn unraised_counter(&self) -> MutexGuard<'_, Option<KeyStoreError>> {
        self.unraised_counter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers the error for [`problems`](Self::problems), and returns the outcome.
    pub(super) fn report_unraised(&self, outcome: Result<(), KeyStoreError>) -> Result<(), KeyStoreError> {
        if let Err(error) = &outcome {
            tracing::warn!(%error, "copies of the vault's files from before the last revocation are still accepted");
        }
        *self.unraised_counter() = outcome.clone().err();
        outcome
    }

    /// Brings the files and the key store to the vault's counter. The caller holds the lock of the key store.
    pub(super) fn complete_revocation(&self) -> Result<(), KeyStoreError> {
        let Some(location) = KeyRecord::load(self.folder.path())?.current else {
            // Some tests supply a key without a location.
            return Ok(());
        };
        let raised = {
            // No file is written meanwhile, so none keeps the lower counter.
            let keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
            // The next unlock completes it.
            let Some(keys) = keys.as_ref() else { return Ok(()) };
            if keys.current.counter == keys.counter {
                return Ok(());
            }
            keys.reseal_all(&self.folder).map_err(|error| broken(KeyStore::File, &error))?;
            keys.to_store()
        };
        // Files can be read and written while the key store is slow.
        access::save(self.folder.path(), &location, &raised)?;
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = keys.as_mut().filter(|keys| is_same_key(&keys.current.key, &raised.key)) {
            keys.current.counter = raised.counter;
        }
        Ok(())
    }
}
