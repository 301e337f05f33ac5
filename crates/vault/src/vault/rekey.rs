//! Replaces the vault's key, perhaps in another key store, so that every file can be opened at any time.
//!
//! Before the first file is sealed again, both keys are in their stores, and both locations are in the `key-store`
//! file; they stay there until after the last file. So after an interruption at any step, `Vault::unlock` finds both
//! keys and completes the rekey. The `key-store` file also names each key that must be deleted: the new one before it
//! is in use, and the old one from the moment at which no file is sealed under it until its store has deleted it.

use thiserror::Error;

use super::folder::SealedFolder;
use super::keys::Keys;
use crate::key_store::access;
use crate::key_store::error::KeyStoreError;
use crate::key_store::kind::KeyStore;
use crate::key_store::location::KeyRecord;

/// The error while the vault is locked.
pub(super) const LOCKED: &str = "the vault is locked";

/// Why a rekey is not complete. No secret is lost in either case.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RekeyError {
    /// The old key is still the vault's key.
    #[error("{0}")]
    NotStarted(KeyStoreError),
    /// The new key is the vault's key. Some files are still sealed under the old key and can be opened; the next unlock
    /// or rekey seals them again.
    #[error("{0}")]
    Incomplete(KeyStoreError),
}

/// Completes an interrupted rekey, then replaces the key by a new one in that store.
pub(super) fn run(
    folder: &SealedFolder,
    keys: Option<&mut Keys>,
    store: KeyStore,
) -> Result<(), KeyStoreError> {
    let keys = keys.ok_or_else(|| broken(store, LOCKED))?;
    finish(folder, keys)?;
    begin(folder, keys, store)?;
    finish(folder, keys)
}

/// Creates the new key and records the locations of both keys; seals no file yet.
pub(super) fn begin(folder: &SealedFolder, keys: &mut Keys, store: KeyStore) -> Result<(), KeyStoreError> {
    let mut record = KeyRecord::load(folder.path())?;
    let old = record.current.clone().ok_or_else(|| broken(store, "the vault has no key yet"))?;
    let (location, key) = access::create(folder.path(), &mut record, store, keys.counter)?;
    record.deleted(&location);
    (record.current, record.former) = (Some(location), Some(old));
    // After a failure the new key is not in use, and the record on the disk says that it must be deleted.
    record.save(folder.path()).map_err(|error| broken(store, &error))?;
    keys.counter = keys.counter.max(key.counter);
    keys.former = Some(std::mem::replace(&mut keys.current, key));
    Ok(())
}

/// Seals again what is still under the former key, then deletes that key. Does nothing if there is none.
pub(super) fn finish(folder: &SealedFolder, keys: &mut Keys) -> Result<(), KeyStoreError> {
    let mut record = KeyRecord::load(folder.path())?;
    // Some tests supply a key without a location.
    let (Some(current), Some(former)) = (record.current.clone(), record.former.take()) else {
        return Ok(());
    };
    let store = current.store;
    keys.reseal_all(folder).map_err(|error| broken(store, &error))?;
    record.obsolete.push(former);
    record.save(folder.path()).map_err(|error| broken(store, &error))?;
    keys.former = None;
    tracing::info!(%store, "the vault has a new key");
    Ok(())
}

pub(super) fn broken(store: KeyStore, reason: &(impl ToString + ?Sized)) -> KeyStoreError {
    KeyStoreError::Broken { store, reason: reason.to_string() }
}
