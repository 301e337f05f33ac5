//! Creates, loads, saves and deletes a key at its location, in whichever store that is.

use std::io;
use std::path::Path;

use super::error::KeyStoreError;
use super::kind::KeyStore;
use super::location::{KeyLocation, KeyRecord};
use super::{file, keyring};
use crate::interruption;
use crate::key::{StoredKey, VaultKey};

/// More keys than this can only wait for their deletion if their stores do not work.
const MAX_OBSOLETE: usize = 16;

/// Creates a key in that store, with at least that counter. It is not in use until the record says so; until then, the
/// record says that it must be deleted, so that an interruption leaves no key behind.
pub(crate) fn create(
    folder: &Path,
    record: &mut KeyRecord,
    store: KeyStore,
    counter: u64,
) -> Result<(KeyLocation, StoredKey), KeyStoreError> {
    let broken = |reason: String| KeyStoreError::Broken { store, reason };
    if record.obsolete.len() >= MAX_OBSOLETE {
        let waiting = record.obsolete.len();
        return Err(broken(format!(
            "{waiting} replaced keys must be deleted first, and their stores do not allow it"
        )));
    }
    let location = KeyLocation::new(store)?;
    let key = VaultKey::generate().map_err(|error| broken(error.to_string()))?;
    record.obsolete.push(location.clone());
    record.save(folder).map_err(|error| broken(error.to_string()))?;
    match save_and_load(folder, &location, &StoredKey { key, counter }) {
        Ok(stored) => Ok((location, stored)),
        Err(error) => {
            // The store may have the key although it reported an error, so the record keeps a location that cannot be
            // deleted now.
            if has_nothing(&error) || forget(folder, &location).is_ok() {
                record.deleted(&location);
                record.save(folder).map_err(|error| broken(error.to_string()))?;
            }
            Err(error)
        }
    }
}

/// Returns whether a store that reported this error when a key was saved cannot have the key.
fn has_nothing(error: &KeyStoreError) -> bool {
    matches!(error, KeyStoreError::Absent { .. } | KeyStoreError::NoDefaultKeyring | KeyStoreError::Locked(_))
}

fn save_and_load(
    folder: &Path,
    location: &KeyLocation,
    stored: &StoredKey,
) -> Result<StoredKey, KeyStoreError> {
    save(folder, location, stored)?;
    // Some stores accept a key and do not return it. The error must appear now, not after the next reboot.
    load(folder, location)?.filter(|saved| saved.key.expose() == stored.key.expose()).ok_or_else(|| {
        let reason = "it does not return what was saved in it".to_owned();
        KeyStoreError::Broken { store: location.store, reason }
    })
}

/// Deletes a key that no file is sealed under. It is no error if the store does not have it.
pub(crate) fn forget(folder: &Path, location: &KeyLocation) -> Result<(), KeyStoreError> {
    interruption::point();
    match location.store {
        KeyStore::File => file::forget(folder, &location.id),
        store => keyring::forget(store, &location.id),
    }
}

/// Deletes the keys that the record says must be deleted, and returns the first error. A key that cannot be deleted
/// stays in the record.
pub(crate) fn forget_obsolete(folder: &Path) -> Result<(), KeyStoreError> {
    let mut outcome = Ok(());
    for location in KeyRecord::load(folder)?.obsolete {
        let forgotten = forget(folder, &location).and_then(|()| {
            let mut record = KeyRecord::load(folder)?;
            record.deleted(&location);
            let store = location.store;
            let broken = |error: io::Error| KeyStoreError::Broken { store, reason: error.to_string() };
            record.save(folder).map_err(broken)
        });
        outcome = outcome.and(forgotten);
    }
    outcome
}

/// Saves a key with its counter, and replaces what the location has.
pub(crate) fn save(folder: &Path, location: &KeyLocation, stored: &StoredKey) -> Result<(), KeyStoreError> {
    interruption::point();
    match location.store {
        KeyStore::File => file::save(folder, &location.id, stored),
        store => keyring::save(store, &location.id, stored),
    }
}

pub(super) fn load(folder: &Path, location: &KeyLocation) -> Result<Option<StoredKey>, KeyStoreError> {
    match location.store {
        KeyStore::File => file::load(folder, &location.id),
        store => keyring::load(store, &location.id),
    }
}
