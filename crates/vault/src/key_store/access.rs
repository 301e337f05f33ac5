//! Creates, loads, saves and removes a key at its location, in whichever store that is.

use std::path::Path;

use super::error::KeyStoreError;
use super::kind::KeyStore;
use super::location::KeyLocation;
use super::{file, keyring};
use crate::key::VaultKey;

/// Creates a key in that store. It is not in use until its location is saved.
pub(crate) fn create(folder: &Path, store: KeyStore) -> Result<(KeyLocation, VaultKey), KeyStoreError> {
    let location = KeyLocation::new(store)?;
    let broken = |reason: String| KeyStoreError::Broken { store, reason };
    let key = VaultKey::generate().map_err(|error| broken(error.to_string()))?;
    save(folder, &location, &key)?;
    // Some stores accept a key and do not return it. The error must appear now, not after the next reboot.
    match load(folder, &location)? {
        Some(saved) if saved.expose() == key.expose() => Ok((location, key)),
        _ => Err(broken("it does not return what was saved in it".to_owned())),
    }
}

/// Removes a key that no file is sealed under.
pub(crate) fn forget(folder: &Path, location: &KeyLocation) -> Result<(), KeyStoreError> {
    match location.store {
        KeyStore::File => file::forget(folder, &location.id),
        store => keyring::forget(store, &location.id),
    }
}

pub(super) fn save(folder: &Path, location: &KeyLocation, key: &VaultKey) -> Result<(), KeyStoreError> {
    match location.store {
        KeyStore::File => file::save(folder, &location.id, key),
        store => keyring::save(store, &location.id, key),
    }
}

pub(super) fn load(folder: &Path, location: &KeyLocation) -> Result<Option<VaultKey>, KeyStoreError> {
    match location.store {
        KeyStore::File => file::load(folder, &location.id),
        store => keyring::load(store, &location.id),
    }
}
