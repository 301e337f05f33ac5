//! Which store has the vault's key, and under which name: the file `key-store` beside the sealed files. It is not
//! secret.

use std::io;
use std::path::Path;

use ssod_private_files::{FileError, ReadPolicy};

use super::encoding::hex;
use super::error::KeyStoreError;
use super::kind::KeyStore;

const FILE_NAME: &str = "key-store";

/// Where one key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyLocation {
    pub(crate) store: KeyStore,
    /// Part of the entry's name, so that two vaults (for example a test's and a demo's) never share a key.
    pub(crate) id: String,
}

/// Where the vault's key is and, during a rekey, also the former key, which some files are still sealed under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyLocations {
    pub(crate) current: KeyLocation,
    pub(crate) former: Option<KeyLocation>,
}

impl KeyLocation {
    /// Returns a location with a random id, which no other key has.
    pub(crate) fn new(store: KeyStore) -> Result<Self, KeyStoreError> {
        let mut id = [0; 8];
        getrandom::fill(&mut id)
            .map_err(|error| KeyStoreError::Broken { store, reason: error.to_string() })?;
        Ok(Self { store, id: hex(&id) })
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let word = words.next()?;
        let store = KeyStore::ALL.into_iter().find(|store| store.as_str() == word)?;
        let id = words
            .next()
            .filter(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric()))?;
        Some(Self { store, id: id.to_owned() })
    }
}

impl KeyLocations {
    /// Loads the locations; `None` if the vault has never had a key.
    pub(crate) fn load(folder: &Path) -> Result<Option<Self>, KeyStoreError> {
        let path = folder.join(FILE_NAME);
        let broken = |reason: String| KeyStoreError::Broken {
            store: KeyStore::File,
            reason: format!("{} {reason}; to start over, move the vault's folder away", path.display()),
        };
        let policy = ReadPolicy::private().allow_others(0o077);
        let text = match ssod_private_files::read_to_string(&path, &policy) {
            Ok(text) => text,
            Err(FileError::NotFound) => return Ok(None),
            Err(error) => return Err(broken(format!("cannot be read: {error}"))),
        };
        let mut lines = text.lines().map(KeyLocation::parse);
        match (lines.next(), lines.next()) {
            (Some(Some(current)), None) => Ok(Some(Self { current, former: None })),
            (Some(Some(current)), Some(Some(former))) => Ok(Some(Self { current, former: Some(former) })),
            _ => Err(broken("does not name a key store".to_owned())),
        }
    }

    pub(crate) fn save(&self, folder: &Path) -> io::Result<()> {
        let line = |location: &KeyLocation| format!("{} {}\n", location.store, location.id);
        let text = line(&self.current) + &self.former.as_ref().map(line).unwrap_or_default();
        // The user may have moved the folder away to start over.
        ssod_private_files::create_folder(folder)?;
        Ok(ssod_private_files::write(&folder.join(FILE_NAME), text.as_bytes())?)
    }
}
