//! The vault's keys while it is unlocked.

use std::io;

use zeroize::Zeroizing;

use super::folder::SealedFolder;
use crate::key::{StoredKey, VaultKey};
use crate::key_store::find::{FIRST_COUNTER, FoundKey};
use crate::seal::{HEADER_LEN, OpenError, Opened, open, seal, shown_counter};

/// The keys in memory.
#[derive(Debug)]
pub(super) struct Keys {
    /// The key that files are sealed under, and the lowest counter that its store accepts.
    pub(super) current: StoredKey,
    /// The key that some files are still sealed under, if a rekey was interrupted.
    pub(super) former: Option<StoredKey>,
    /// The counter that files are sealed with. While it is higher than the store's, a revocation is not complete: a
    /// restart completes it.
    pub(super) counter: u64,
}

impl Keys {
    /// Returns the keys that were found. A key of an earlier version has no counter and gets the first one.
    pub(super) fn new(found: FoundKey) -> Self {
        let counter = found.current.counter.max(FIRST_COUNTER);
        Self { current: found.current, former: found.former, counter }
    }

    /// Returns the key that files are sealed under, with the counter of the files.
    pub(super) fn to_store(&self) -> StoredKey {
        StoredKey { key: self.current.key.clone(), counter: self.counter }
    }

    /// Opens a file that either key sealed, unless it is from before the last revocation.
    pub(super) fn open(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        Ok(self.open_with_counter(name, sealed)?.content)
    }

    fn open_with_counter(&self, name: &str, sealed: &[u8]) -> Result<Opened, OpenError> {
        match (accept(&self.current, name, sealed), &self.former) {
            (Err(OpenError::OtherKey), Some(former)) => accept(former, name, sealed),
            (outcome, _) => outcome,
        }
    }

    /// Seals the content under the current key and counter.
    pub(super) fn seal(&self, name: &str, content: &[u8]) -> Result<Vec<u8>, getrandom::Error> {
        seal(&self.current.key, self.counter, name, content)
    }

    /// Seals a file again if it is under another key or has a lower counter. A file that does not open stays as it is;
    /// the vault sets it aside and reports it when it reads it.
    pub(super) fn reseal(&self, folder: &SealedFolder, name: &str) -> io::Result<()> {
        let beginning = match folder.read_beginning(name, HEADER_LEN) {
            Ok(beginning) => beginning,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if shown_counter(&self.current.key, &beginning) == Some(self.counter) {
            return Ok(());
        }
        match self.open(name, &folder.read(name)?) {
            Ok(content) => folder.replace(name, &self.seal(name, &content).map_err(io::Error::other)?),
            Err(_) => Ok(()),
        }
    }

    /// Seals every file again that is under another key or has a lower counter.
    pub(super) fn reseal_all(&self, folder: &SealedFolder) -> io::Result<()> {
        folder.names()?.iter().try_for_each(|name| self.reseal(folder, name))
    }

    /// Raises the counter to the highest one of the files. It is higher than the store's if a revocation was
    /// interrupted.
    pub(super) fn adopt_counter_of_files(&mut self, folder: &SealedFolder) -> io::Result<()> {
        for name in folder.names()? {
            let shown = folder.read_beginning(&name, HEADER_LEN)?;
            // Only a file that opens is evidence, so a damaged one cannot raise the counter.
            if shown_counter(&self.current.key, &shown).is_some_and(|shown| shown > self.counter)
                && let Ok(opened) = self.open_with_counter(&name, &folder.read(&name)?)
            {
                self.counter = self.counter.max(opened.counter);
            }
        }
        Ok(())
    }
}

fn accept(key: &StoredKey, name: &str, sealed: &[u8]) -> Result<Opened, OpenError> {
    let StoredKey { key, counter } = key;
    let opened = open(key, name, sealed)?;
    if opened.counter < *counter { Err(OpenError::Older) } else { Ok(opened) }
}

/// Returns whether two keys are the same.
pub(super) fn is_same_key(one: &VaultKey, other: &VaultKey) -> bool {
    one.id() == other.id()
}
