//! Replaces the vault's key, perhaps in another key store, without ever being unable to open a file.
//!
//! Both keys are in their stores, and both locations in the `key-store` file, from before the first file is resealed
//! until after the last one is. So after an interruption at any step, [`Vault::unlock`] finds both keys and completes
//! the rekey.

use std::io;
use std::sync::PoisonError;

use thiserror::Error;

use super::{Keys, LOCKED, Vault, read_bounded};
use crate::key_store::{self, KeyLocation, KeyLocations};
use crate::{KeyStore, KeyStoreError, OpenError, open, seal};

/// Why a rekey is not complete. No secret is lost in either case.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RekeyError {
    /// The old key is still the vault's key.
    #[error("{0}")]
    NotStarted(KeyStoreError),
    /// The new key is the vault's key. Some files are still under the old key and open, too; the next unlock or rekey
    /// reseals them.
    #[error("{0}")]
    Incomplete(KeyStoreError),
}

impl Vault {
    /// Reseals every file under a new key in that store, then forgets the old key. Blocks on the disk and the key
    /// store; saves wait until it returns. Fails while the vault is locked, or where a store or the disk fails.
    pub fn rekey(&self, store: KeyStore) -> Result<(), RekeyError> {
        self.try_rekey(store).map_err(|error| {
            if self.is_changing_key() { RekeyError::Incomplete(error) } else { RekeyError::NotStarted(error) }
        })
    }

    fn try_rekey(&self, store: KeyStore) -> Result<(), KeyStoreError> {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let keys = keys.as_mut().ok_or_else(|| broken(store, LOCKED))?;
        self.finish_rekey(keys)?;
        self.begin_rekey(keys, store)?;
        self.finish_rekey(keys)
    }

    pub(super) fn begin_rekey(&self, keys: &mut Keys, store: KeyStore) -> Result<(), KeyStoreError> {
        let old =
            KeyLocations::load(&self.folder)?.ok_or_else(|| broken(store, "the vault has no key yet"))?;
        let (current, key) = key_store::create(&self.folder, store)?;
        let locations = KeyLocations { current, former: Some(old.current) };
        if let Err(error) = locations.save(&self.folder) {
            // The new key is not in use yet, so it does no harm if it stays in its store.
            let _ = key_store::forget(&self.folder, &locations.current);
            return Err(broken(store, &error));
        }
        keys.former = Some(std::mem::replace(&mut keys.current, key));
        Ok(())
    }

    /// Reseals what is still under the former key, then forgets that key. Does nothing if there is none.
    pub(super) fn finish_rekey(&self, keys: &mut Keys) -> Result<(), KeyStoreError> {
        // Tests that supply a key themselves have no locations.
        let Some(KeyLocations { current, former: Some(former) }) = KeyLocations::load(&self.folder)? else {
            return Ok(());
        };
        for name in self.sealed_names().map_err(|error| broken(current.store, &error))? {
            self.reseal(keys, &name).map_err(|error| broken(current.store, &error))?;
        }
        let completed = KeyLocations { current, former: None };
        let store = completed.current.store;
        completed.save(&self.folder).map_err(|error| broken(store, &error))?;
        keys.former = None;
        self.forget_old_key(&former);
        tracing::info!(%store, "the vault has a new key");
        Ok(())
    }

    /// Seals one file under the current key. A file that opens under neither key stays as it is; reading it sets it
    /// aside and reports it.
    pub(super) fn reseal(&self, keys: &Keys, name: &str) -> io::Result<()> {
        let sealed = match read_bounded(&self.folder.join(name)) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        match (open(&keys.current, name, &sealed), keys.open(name, &sealed)) {
            (Err(OpenError::OtherKey), Ok(content)) => {
                self.replace_file(name, &seal(&keys.current, name, &content).map_err(io::Error::other)?)
            }
            _ => Ok(()),
        }
    }

    /// Removes the old key from its store. No file is sealed under it, so a failure is only a warning.
    fn forget_old_key(&self, location: &KeyLocation) {
        if let Err(error) = key_store::forget(&self.folder, location) {
            tracing::warn!(%error, "the old key could not be removed from its store");
        }
    }
}

fn broken(store: KeyStore, reason: &(impl ToString + ?Sized)) -> KeyStoreError {
    KeyStoreError::Broken { store, reason: reason.to_string() }
}
