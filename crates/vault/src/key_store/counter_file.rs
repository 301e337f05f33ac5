//! The counter of keys that are in files. It is beside the vault's folder and not in it, because a copy of that folder
//! that is put back must not put the counter back.
//!
//! The first line is the counter, which never decreases. Each further line is the id of a key that it counts for.

use std::path::{Path, PathBuf};

use ssod_private_files::{FileError, ReadPolicy};

use super::error::KeyStoreError;
use super::kind::KeyStore;
use crate::interruption;

const FILE_NAME: &str = "vault-counter";
/// A user who starts over again and again leaves ids behind; only the newest ones are kept.
const MAX_IDS: usize = 32;

/// The content of the file.
#[derive(Debug, Default, PartialEq, Eq)]
struct CounterFile {
    counter: u64,
    ids: Vec<String>,
}

/// Returns the counter of the key with that id; 0 if no key in a file has ever had one. A key that the file does not
/// name, although it has others, was replaced and put back: everything that it sealed is too old.
pub(super) fn load(folder: &Path, id: &str) -> Result<u64, KeyStoreError> {
    Ok(match read(folder)? {
        None => 0,
        Some(file) if file.ids.iter().any(|known| known == id) => file.counter,
        Some(file) => file.counter.saturating_add(1),
    })
}

/// Raises the counter to at least that value, and records that it counts for the key with that id.
pub(super) fn save(folder: &Path, id: &str, counter: u64) -> Result<(), KeyStoreError> {
    let mut file = read(folder)?.unwrap_or_default();
    file.counter = file.counter.max(counter);
    if !file.ids.iter().any(|known| known == id) {
        file.ids.push(id.to_owned());
        let surplus = file.ids.len().saturating_sub(MAX_IDS);
        file.ids.drain(..surplus);
    }
    write(folder, &file)
}

/// Records that the counter no longer counts for the key with that id. The counter itself stays.
pub(super) fn forget(folder: &Path, id: &str) -> Result<(), KeyStoreError> {
    let Some(mut file) = read(folder)? else { return Ok(()) };
    let before = file.ids.len();
    file.ids.retain(|known| known != id);
    if file.ids.len() == before { Ok(()) } else { write(folder, &file) }
}

fn path(folder: &Path) -> PathBuf {
    folder.with_file_name(FILE_NAME)
}

fn read(folder: &Path) -> Result<Option<CounterFile>, KeyStoreError> {
    let path = path(folder);
    let broken = |reason: &str| {
        let reason = format!("{} {reason}; if you did not change it, remove it", path.display());
        KeyStoreError::Broken { store: KeyStore::File, reason }
    };
    match ssod_private_files::read_to_string(&path, &ReadPolicy::private().allow_others(0o044)) {
        Ok(text) => parse(&text).map(Some).ok_or_else(|| broken("is damaged")),
        Err(FileError::NotFound) => Ok(None),
        Err(error) => Err(broken(&format!("cannot be read: {error}"))),
    }
}

fn parse(text: &str) -> Option<CounterFile> {
    let mut lines = text.lines();
    let counter = lines.next()?.parse().ok()?;
    Some(CounterFile { counter, ids: lines.map(str::to_owned).collect() })
}

fn write(folder: &Path, file: &CounterFile) -> Result<(), KeyStoreError> {
    interruption::point();
    let lines = std::iter::once(file.counter.to_string()).chain(file.ids.iter().cloned());
    let text: String = lines.map(|line| line + "\n").collect();
    let path = path(folder);
    ssod_private_files::write(&path, text.as_bytes()).map_err(|error| KeyStoreError::Broken {
        store: KeyStore::File,
        reason: format!("cannot write {}: {error}", path.display()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_never_decreases_and_a_key_that_was_put_back_is_behind_it() {
        let home = tempfile::tempdir().unwrap();
        let vault = home.path().join("vault");
        assert_eq!(load(&vault, "a").unwrap(), 0);
        save(&vault, "a", 7).unwrap();
        assert_eq!(load(&vault, "a").unwrap(), 7);
        // A rekey, or a new vault after the user has moved the old one away.
        save(&vault, "b", 1).unwrap();
        forget(&vault, "a").unwrap();
        assert_eq!((load(&vault, "b").unwrap(), load(&vault, "a").unwrap()), (7, 8));
        forget(&vault, "b").unwrap();
        assert_eq!(load(&vault, "b").unwrap(), 8, "the key moved to another store");
        for id in 0..100 {
            save(&vault, &id.to_string(), 9).unwrap();
        }
        assert!(read(&vault).unwrap().unwrap().ids.len() <= MAX_IDS);
        assert_eq!(load(&vault, "99").unwrap(), 9);
    }

    #[test]
    fn a_damaged_counter_is_an_error_and_not_zero() {
        let home = tempfile::tempdir().unwrap();
        let vault = home.path().join("vault");
        for text in ["", "x\n", "-1\n", "99999999999999999999\n"] {
            ssod_private_files::write(&path(&vault), text.as_bytes()).unwrap();
            let error = load(&vault, "a").unwrap_err();
            assert!(error.to_string().contains("vault-counter is damaged"), "{error}");
        }
    }
}
