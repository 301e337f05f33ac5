//! The key in a file, for machines without a keyring.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{KeyStore, KeyStoreError, decode_key, encode_key, write_private};
use crate::VaultKey;

/// The file's name before a vault could change its key.
const UNNUMBERED_NAME: &str = "key";

pub(super) fn load(folder: &Path, id: &str) -> Result<Option<VaultKey>, KeyStoreError> {
    match read(&key_file(folder, id))? {
        None => read(&folder.join(UNNUMBERED_NAME)),
        found => Ok(found),
    }
}

pub(super) fn save(folder: &Path, id: &str, key: &VaultKey) -> Result<(), KeyStoreError> {
    let text = encode_key(key);
    write_private(&key_file(folder, id), text.as_bytes()).map_err(|error| broken(error.to_string()))
}

pub(super) fn forget(folder: &Path, id: &str) -> Result<(), KeyStoreError> {
    for path in [key_file(folder, id), folder.join(UNNUMBERED_NAME)] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(broken(format!("cannot remove {}: {error}", path.display())));
            }
            _ => {}
        }
    }
    Ok(())
}

fn key_file(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("key-{id}"))
}

fn read(path: &Path) -> Result<Option<VaultKey>, KeyStoreError> {
    let refused = |reason| KeyStoreError::Refused { store: KeyStore::File, reason };
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let mut file = match fs::OpenOptions::new().read(true).custom_flags(no_follow).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refused(format!("cannot read {}: {error}", path.display()))),
    };
    let metadata = file.metadata().map_err(|error| broken(error.to_string()))?;
    if metadata.mode() & 0o077 != 0 || metadata.uid() != rustix::process::geteuid().as_raw() {
        let path = path.display();
        return Err(refused(format!(
            "other users may read {path}. If none of them has done so, run: chmod 600 {path}"
        )));
    }
    let mut text = Zeroizing::new(Vec::new());
    file.by_ref().take(128).read_to_end(&mut text).map_err(|error| broken(error.to_string()))?;
    decode_key(&text).map(Some).ok_or_else(|| {
        broken(format!("{} is not a key. To start over, move the vault's folder away", path.display()))
    })
}

fn broken(reason: String) -> KeyStoreError {
    KeyStoreError::Broken { store: KeyStore::File, reason }
}
