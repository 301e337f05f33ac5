//! The key in a file, for machines without a keyring.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::{Kept, KeyStore, KeyStoreError, hex, unhex, write_private};
use crate::VaultKey;

/// The name that the one key had before a vault could change its key.
const FIRST_NAME: &str = "key";

pub(super) fn load(folder: &Path, id: &str) -> Result<Kept, KeyStoreError> {
    match read(&path(folder, id))? {
        Kept::Missing => read(&folder.join(FIRST_NAME)),
        kept @ Kept::Key(_) => Ok(kept),
    }
}

pub(super) fn save(folder: &Path, id: &str, key: &VaultKey) -> Result<(), KeyStoreError> {
    let text = Zeroizing::new(hex(key.expose()));
    write_private(&path(folder, id), text.as_bytes()).map_err(|error| broken(error.to_string()))
}

pub(super) fn forget(folder: &Path, id: &str) -> Result<(), KeyStoreError> {
    for path in [path(folder, id), folder.join(FIRST_NAME)] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(broken(format!("cannot remove {}: {error}", path.display())));
            }
            _ => {}
        }
    }
    Ok(())
}

fn path(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!("key-{id}"))
}

fn read(path: &Path) -> Result<Kept, KeyStoreError> {
    let refused = |reason| KeyStoreError::Refused { store: KeyStore::File, reason };
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let mut file = match fs::OpenOptions::new().read(true).custom_flags(no_follow).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::Missing),
        Err(error) => return Err(refused(format!("cannot read {}: {error}", path.display()))),
    };
    let facts = file.metadata().map_err(|error| broken(error.to_string()))?;
    if facts.mode() & 0o077 != 0 || facts.uid() != rustix::process::geteuid().as_raw() {
        let path = path.display();
        return Err(refused(format!("{path} can be read by others. If nobody did, run: chmod 600 {path}")));
    }
    let mut text = Zeroizing::new(Vec::new());
    file.by_ref().take(128).read_to_end(&mut text).map_err(|error| broken(error.to_string()))?;
    unhex(&text).map(Kept::Key).ok_or_else(|| {
        broken(format!("{} is not a key. Move the vault's folder away to begin anew", path.display()))
    })
}

fn broken(reason: String) -> KeyStoreError {
    KeyStoreError::Broken { store: KeyStore::File, reason }
}
