//! Replaces the vault's key, perhaps in another key store, so that every file can be opened at any time.
//!
//! Before the first file is sealed again, both keys are in their stores, and both locations are in the `key-store`
//! file; they stay there until after the last file. So after an interruption at any step, `Vault::unlock` finds both
//! keys and completes the rekey.

use std::io;

use thiserror::Error;

use super::folder::SealedFolder;
use super::keys::Keys;
use crate::key_store::access;
use crate::key_store::error::KeyStoreError;
use crate::key_store::kind::KeyStore;
use crate::key_store::location::{KeyLocation, KeyLocations};
use crate::seal::{OpenError, open, seal};

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
    let old = KeyLocations::load(folder.path())?.ok_or_else(|| broken(store, "the vault has no key yet"))?;
    let (current, key) = access::create(folder.path(), store)?;
    let locations = KeyLocations { current, former: Some(old.current) };
    if let Err(error) = locations.save(folder.path()) {
        // The new key is not in use, so it is harmless if it stays in its store.
        let _ = access::forget(folder.path(), &locations.current);
        return Err(broken(store, &error));
    }
    keys.former = Some(std::mem::replace(&mut keys.current, key));
    Ok(())
}

/// Seals again what is still under the former key, then forgets that key. Does nothing if there is none.
pub(super) fn finish(folder: &SealedFolder, keys: &mut Keys) -> Result<(), KeyStoreError> {
    // Some tests supply a key without a location.
    let Some(KeyLocations { current, former: Some(former) }) = KeyLocations::load(folder.path())? else {
        return Ok(());
    };
    for name in folder.names().map_err(|error| broken(current.store, &error))? {
        reseal(folder, keys, &name).map_err(|error| broken(current.store, &error))?;
    }
    let completed = KeyLocations { current, former: None };
    let store = completed.current.store;
    completed.save(folder.path()).map_err(|error| broken(store, &error))?;
    keys.former = None;
    forget_old_key(folder, &former);
    tracing::info!(%store, "the vault has a new key");
    Ok(())
}

/// Seals one file again under the current key. A file that opens under neither key stays as it is; the vault sets it
/// aside and reports it when it reads it.
pub(super) fn reseal(folder: &SealedFolder, keys: &Keys, name: &str) -> io::Result<()> {
    let sealed = match folder.read(name) {
        Ok(sealed) => sealed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    match (open(&keys.current, name, &sealed), keys.open(name, &sealed)) {
        (Err(OpenError::OtherKey), Ok(content)) => {
            folder.replace(name, &seal(&keys.current, name, &content).map_err(io::Error::other)?)
        }
        _ => Ok(()),
    }
}

/// Removes the old key from its store. No file is sealed under it any longer, so a failure is only a warning.
fn forget_old_key(folder: &SealedFolder, location: &KeyLocation) {
    if let Err(error) = access::forget(folder.path(), location) {
        tracing::warn!(%error, "the old key could not be removed from its store");
    }
}

fn broken(store: KeyStore, reason: &(impl ToString + ?Sized)) -> KeyStoreError {
    KeyStoreError::Broken { store, reason: reason.to_string() }
}
