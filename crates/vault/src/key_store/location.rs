//! Which store has the vault's key, and under which name: the file `key-store` beside the sealed files. It is not
//! secret.

use std::fs;
use std::io;
use std::path::Path;

use ssod_private_files::{FileError, ReadPolicy};

use super::encoding::hex;
use super::error::KeyStoreError;
use super::kind::KeyStore;
use crate::interruption;

const FILE_NAME: &str = "key-store";
/// The word before the location of a key that must be deleted.
const DELETE: &str = "delete";

/// Where one key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyLocation {
    pub(crate) store: KeyStore,
    /// Part of the entry's name, so that two vaults (for example a test's and a demo's) never share a key.
    pub(crate) id: String,
}

/// Where the vault's keys are. Every location that has a key, or may have one, is in it until that key is deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeyRecord {
    /// The vault's key; `None` if the vault has never had one.
    pub(crate) current: Option<KeyLocation>,
    /// During a rekey, the key that some files are still sealed under.
    pub(crate) former: Option<KeyLocation>,
    /// The keys that no file is sealed under, and that must still be deleted: replaced ones, and new ones whose
    /// creation did not end.
    pub(crate) obsolete: Vec<KeyLocation>,
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

    fn line(&self) -> String {
        format!("{} {}\n", self.store, self.id)
    }
}

impl KeyRecord {
    /// Loads the record; it is empty if there is none.
    pub(crate) fn load(folder: &Path) -> Result<Self, KeyStoreError> {
        let path = folder.join(FILE_NAME);
        let broken = |reason: String| KeyStoreError::Broken {
            store: KeyStore::File,
            reason: format!("{} {reason}; to start over, move the vault's folder away", path.display()),
        };
        let policy = ReadPolicy::private().allow_others(0o077);
        let text = match ssod_private_files::read_to_string(&path, &policy) {
            Ok(text) => text,
            Err(FileError::NotFound) => return Ok(Self::default()),
            Err(error) => return Err(broken(format!("cannot be read: {error}"))),
        };
        Self::parse(&text).ok_or_else(|| broken("does not name a key store".to_owned()))
    }

    /// Parses the text: the current location, then the former one, then those that must be deleted.
    fn parse(text: &str) -> Option<Self> {
        let mut record = Self::default();
        for line in text.lines() {
            if let Some(obsolete) = line.strip_prefix(DELETE) {
                record.obsolete.push(KeyLocation::parse(obsolete)?);
                continue;
            }
            let location = KeyLocation::parse(line)?;
            let slot = if record.current.is_none() { &mut record.current } else { &mut record.former };
            if slot.replace(location).is_some() {
                return None;
            }
        }
        (record != Self::default()).then_some(record)
    }

    /// Saves the record. An empty one removes the file.
    pub(crate) fn save(&self, folder: &Path) -> io::Result<()> {
        interruption::point();
        let path = folder.join(FILE_NAME);
        let in_use = self.current.iter().chain(&self.former).map(KeyLocation::line);
        let obsolete = self.obsolete.iter().map(|location| format!("{DELETE} {}", location.line()));
        let text: String = in_use.chain(obsolete).collect();
        if text.is_empty() {
            return match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        // The user may have moved the folder away to start over.
        ssod_private_files::create_folder(folder)?;
        Ok(ssod_private_files::write(&path, text.as_bytes())?)
    }

    /// Removes a location from the keys that must be deleted.
    pub(crate) fn deleted(&mut self, location: &KeyLocation) {
        self.obsolete.retain(|other| other != location);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let location = |store, id: &str| KeyLocation { store, id: id.to_owned() };
        let current = Some(location(KeyStore::File, "1"));
        let former = Some(location(KeyStore::Keyutils, "2"));
        let obsolete = vec![location(KeyStore::SecretService, "3"), location(KeyStore::File, "4")];
        let folder = tempfile::tempdir().unwrap();
        for record in [
            KeyRecord::default(),
            KeyRecord { current: current.clone(), ..KeyRecord::default() },
            KeyRecord { current: current.clone(), former: former.clone(), obsolete: Vec::new() },
            KeyRecord { current, former, obsolete: obsolete.clone() },
            KeyRecord { obsolete, ..KeyRecord::default() },
        ] {
            record.save(folder.path()).unwrap();
            assert_eq!(KeyRecord::load(folder.path()).unwrap(), record);
        }
    }

    #[test]
    fn the_records_of_earlier_versions_are_read() {
        assert_eq!(KeyRecord::parse("file 1\n").unwrap().obsolete, []);
        let during_a_rekey = KeyRecord::parse("file 1\nkeyutils 2\n").unwrap();
        assert_eq!(during_a_rekey.former.unwrap().store, KeyStore::Keyutils);
        assert_eq!(KeyRecord::parse("file 1\nfile 2\nfile 3\n"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_record_that_stays_the_same_or_is_refused(
            text in "((delete )?(file|keyutils|secret-service|keychain|none)? ?[0-9a-z/]{0,3}[ \t]?\n?|\\PC{0,8}){0,6}"
        ) {
            if let Some(record) = KeyRecord::parse(&text) {
                let folder = tempfile::tempdir().unwrap();
                record.save(folder.path()).unwrap();
                proptest::prop_assert_eq!(KeyRecord::load(folder.path()).unwrap(), record);
            }
        }
    }
}
