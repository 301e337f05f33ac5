//! The key in a file, for machines without a keyring.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use zeroize::Zeroizing;

use super::{Kept, KeyStore, KeyStoreError, hex, unhex, write_private};
use crate::VaultKey;

const NAME: &str = "key";

pub(super) fn load(folder: &Path) -> Result<Kept, KeyStoreError> {
    let path = folder.join(NAME);
    let broken = |reason: String| KeyStoreError::Broken { store: KeyStore::File, reason };
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    let mut file = match fs::OpenOptions::new().read(true).custom_flags(no_follow).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::Missing),
        Err(error) => return Err(broken(format!("cannot read {}: {error}", path.display()))),
    };
    let facts = file.metadata().map_err(|error| broken(error.to_string()))?;
    if facts.mode() & 0o077 != 0 || facts.uid() != rustix::process::geteuid().as_raw() {
        let path = path.display();
        return Err(broken(format!("{path} can be read by others. If nobody did, run: chmod 600 {path}")));
    }
    let mut text = Zeroizing::new(Vec::new());
    file.by_ref().take(128).read_to_end(&mut text).map_err(|error| broken(error.to_string()))?;
    unhex(&text).map(Kept::Key).ok_or_else(|| {
        broken(format!("{} is not a key. Move the vault's folder away to begin anew", path.display()))
    })
}

pub(super) fn save(folder: &Path, key: &VaultKey) -> Result<(), KeyStoreError> {
    let text = Zeroizing::new(hex(key.expose()));
    write_private(&folder.join(NAME), text.as_bytes())
        .map_err(|error| KeyStoreError::Broken { store: KeyStore::File, reason: error.to_string() })
}
