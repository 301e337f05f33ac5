//! The key in a file, for machines without a keyring. Its counter is in another file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ssod_private_files::{FileError, ReadPolicy};
use zeroize::Zeroizing;

use super::counter_file;
use super::encoding::{decode_key, encode_key};
use super::error::KeyStoreError;
use super::kind::KeyStore;
use crate::key::{StoredKey, VaultKey};

/// The limit for a key file, which has 64 bytes.
const MAX_KEY_FILE_BYTES: u64 = 128;
/// The name of the key file that the first versions wrote, which could not change the key.
const NAME_WITHOUT_ID: &str = "key";

pub(super) fn load(folder: &Path, id: &str) -> Result<Option<StoredKey>, KeyStoreError> {
    let path = key_file(folder, id);
    let found = match read(&path)? {
        None => adopt_file_without_id(folder, &path)?,
        found => found,
    };
    found.map(|key| Ok(StoredKey { key, counter: counter_file::load(folder, id)? })).transpose()
}

/// Gives the key file that has no id this id, so that it is deleted only with the key of that id.
fn adopt_file_without_id(folder: &Path, path: &Path) -> Result<Option<VaultKey>, KeyStoreError> {
    let without_id = folder.join(NAME_WITHOUT_ID);
    let found = read(&without_id)?;
    if found.is_some() {
        fs::rename(&without_id, path)
            .map_err(|error| broken(format!("cannot rename {}: {error}", without_id.display())))?;
    }
    Ok(found)
}

pub(super) fn save(folder: &Path, id: &str, stored: &StoredKey) -> Result<(), KeyStoreError> {
    // The user may have moved the folder away to start over.
    ssod_private_files::create_folder(folder).map_err(|error| broken(error.to_string()))?;
    if read(&key_file(folder, id))?.is_none_or(|key| key.expose() != stored.key.expose()) {
        let text = encode_key(&stored.key);
        ssod_private_files::write(&key_file(folder, id), text.as_bytes())
            .map_err(|error| broken(error.to_string()))?;
    }
    counter_file::save(folder, id, stored.counter)
}

pub(super) fn forget(folder: &Path, id: &str) -> Result<(), KeyStoreError> {
    let path = key_file(folder, id);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(broken(format!("cannot remove {}: {error}", path.display())))
        }
        _ => counter_file::forget(folder, id),
    }
}

fn key_file(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("key-{id}"))
}

fn read(path: &Path) -> Result<Option<VaultKey>, KeyStoreError> {
    let refused = |reason| KeyStoreError::Refused { store: KeyStore::File, reason };
    let text = match ssod_private_files::read(path, &ReadPolicy::private().max_bytes(MAX_KEY_FILE_BYTES)) {
        Ok(text) => Zeroizing::new(text),
        Err(FileError::NotFound) => return Ok(None),
        Err(FileError::OtherOwner { .. } | FileError::TooOpen { .. }) => {
            let path = path.display();
            return Err(refused(format!(
                "other users may read {path}. If none of them has done so, run: chmod 600 {path}"
            )));
        }
        Err(error) => return Err(refused(format!("cannot read {}: {error}", path.display()))),
    };
    decode_key(&text).map(Some).ok_or_else(|| {
        broken(format!("{} is not a key. To start over, move the vault's folder away", path.display()))
    })
}

fn broken(reason: String) -> KeyStoreError {
    KeyStoreError::Broken { store: KeyStore::File, reason }
}
