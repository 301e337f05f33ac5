//! A new key for everything, perhaps in another key store, without ever being unable to open what is there.
//!
//! Both keys are known (to the place file, and each to its store) from before the first file is sealed anew until
//! after the last one was; so whenever it is cut short, [`Vault::unlock`] finds both and brings it to its end.

use std::sync::PoisonError;

use thiserror::Error;

use super::{Keys, Vault, read_bounded};
use crate::key_store::{self, Place, Places};
use crate::{KeyStore, KeyStoreError, OpenError, seal};

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
    /// Seals every file anew under a new key in that store, then forgets the old key. Blocks on disk and key store; what is
    /// saved meanwhile waits. Fails where the vault is locked, or a store or the disk says no; nothing is lost by that, and
    /// what was begun is finished by the next change or the next unlock.
    pub fn rekey(&self, store: KeyStore) -> Result<(), RekeyError> {
        self.try_rekey(store).map_err(|error| {
            if self.is_changing_key() { RekeyError::Incomplete(error) } else { RekeyError::NotStarted(error) }
        })
    }

    fn try_rekey(&self, store: KeyStore) -> Result<(), KeyStoreError> {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let keys = keys.as_mut().ok_or_else(|| broken(store, "the vault is locked"))?;
        self.finish_rekey(keys)?;
        self.begin_rekey(keys, store)?;
        self.finish_rekey(keys)
    }

    pub(super) fn begin_rekey(&self, keys: &mut Keys, store: KeyStore) -> Result<(), KeyStoreError> {
        let places = Places::load(&self.folder)?.ok_or_else(|| broken(store, "the vault has no key yet"))?;
        let (current, key) = key_store::make(&self.folder, store)?;
        let saved = Places { current: current.clone(), former: Some(places.current) }.save(&self.folder);
        if let Err(error) = saved {
            // The new key counts for nothing yet; that it may stay behind in its store harms nobody.
            let _ = key_store::forget(&self.folder, &current);
            return Err(broken(store, &error));
        }
        keys.former = Some(std::mem::replace(&mut keys.current, key));
        Ok(())
    }

    /// Seals what is still under the former key, then forgets that key; does nothing where there is none.
    pub(super) fn finish_rekey(&self, keys: &mut Keys) -> Result<(), KeyStoreError> {
        // No places where tests hand over a key by themselves.
        let Some(Places { current, former: Some(former) }) = Places::load(&self.folder)? else {
            return Ok(());
        };
        for name in self.names().map_err(|error| broken(current.store, &error))? {
            self.reseal(keys, &name).map_err(|error| broken(current.store, &error))?;
        }
        let done = Places { current: current.clone(), former: None };
        done.save(&self.folder).map_err(|error| broken(current.store, &error))?;
        keys.former = None;
        forget(self, &former);
        tracing::info!(store = %current.store, "the vault has a new key");
        Ok(())
    }

    /// Seals one file under the current key. One that opens under neither key is left as it is: whoever reads it sets it
    /// aside and says so.
    pub(super) fn reseal(&self, keys: &Keys, name: &str) -> std::io::Result<()> {
        let sealed = match read_bounded(&self.folder.join(name)) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        match (crate::open(&keys.current, name, &sealed), keys.open(name, &sealed)) {
            (Err(OpenError::OtherKey), Ok(content)) => {
                self.replace(name, &seal(&keys.current, name, &content).map_err(std::io::Error::other)?)
            }
            _ => Ok(()),
        }
    }
}

/// A key that nothing is under opens nothing, so that it stays behind is only worth a warning.
fn forget(vault: &Vault, place: &Place) {
    if let Err(error) = key_store::forget(&vault.folder, place) {
        tracing::warn!(%error, "the old key could not be removed from its store");
    }
}

fn broken(store: KeyStore, reason: &(impl ToString + ?Sized)) -> KeyStoreError {
    KeyStoreError::Broken { store, reason: reason.to_string() }
}
