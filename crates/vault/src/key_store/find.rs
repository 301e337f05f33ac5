//! Finds the vault's key, or creates it.

use std::io;
use std::path::Path;

use super::access::{create, load, save};
use super::error::{KeyStoreError, MissingCause};
use super::kind::{KeyStore, KeyStoreChoice};
use super::location::{KeyLocation, KeyRecord};
use crate::key::StoredKey;

/// The counter of a vault's first key.
pub(crate) const FIRST_COUNTER: u64 = 1;

/// The vault's key, and where it was found.
#[derive(Clone, Debug)]
pub struct FoundKey {
    /// The key.
    pub current: StoredKey,
    /// The key that some files are still sealed under, if a rekey was interrupted.
    pub former: Option<StoredKey>,
    /// Where the key is.
    pub store: KeyStore,
}

/// Finds the vault's key, or creates one if the vault has never had one, or if its store may lose keys and lost this
/// one. Uses an existing key even if it is in another store than the chosen one, so that a changed setting loses no
/// sign-in. Blocks for a limited time, because a key store may never answer.
pub fn find_or_create_key(folder: &Path, choice: KeyStoreChoice) -> Result<FoundKey, KeyStoreError> {
    let mut record = KeyRecord::load(folder)?;
    let Some(current) = record.current.clone() else {
        return create_in(folder, &mut record, choice);
    };
    let former = match record.former.take() {
        Some(location) => load_former(folder, &location)?.map(|key| (location, key)),
        None => None,
    };
    match (load_recorded(folder, &current)?, former) {
        (Some(key), former) => {
            Ok(FoundKey { current: key, former: former.map(|(_, key)| key), store: current.store })
        }
        // The power failed during a move to a store that may lose keys. The files that are not sealed again yet are
        // under the former key.
        (None, Some((location, key))) => {
            let store = location.store;
            let broken = |error: io::Error| KeyStoreError::Broken { store, reason: error.to_string() };
            record.obsolete.extend(record.current.replace(location));
            record.save(folder).map_err(broken)?;
            Ok(FoundKey { current: key, former: None, store })
        }
        (None, None) => replace_lost_key(folder, &mut record, current.store, choice),
    }
}

fn create_in(
    folder: &Path,
    record: &mut KeyRecord,
    choice: KeyStoreChoice,
) -> Result<FoundKey, KeyStoreError> {
    match choice {
        KeyStoreChoice::Only(store) => create_first_key(folder, record, store),
        KeyStoreChoice::Auto => create_in_first_usable_store(folder, record),
    }
}

/// Creates a new key if the store may lose keys. For any other store this is an error: perhaps another keyring program
/// is running now, and a new key would then set every sign-in aside.
fn replace_lost_key(
    folder: &Path,
    record: &mut KeyRecord,
    store: KeyStore,
    choice: KeyStoreChoice,
) -> Result<FoundKey, KeyStoreError> {
    // The kernel's keyring is cleared at each reboot, and a better store may be available now.
    if store == KeyStore::Keyutils && choice == KeyStoreChoice::Auto {
        return create_in_first_usable_store(folder, record).map_err(|error| match error {
            // The key may still exist, but this login session cannot reach it.
            KeyStoreError::NoneAvailable(_) => {
                KeyStoreError::Refused { store, reason: "this login session does not reach it".to_owned() }
            }
            error => error,
        });
    }
    if store.may_lose_keys() {
        return create_first_key(folder, record, store);
    }
    Err(missing(folder, store, MissingCause::Entry))
}

/// Loads the key that a rekey replaces; `None` if its store may lose keys and lost this one.
fn load_former(folder: &Path, location: &KeyLocation) -> Result<Option<StoredKey>, KeyStoreError> {
    match load_recorded(folder, location)? {
        None if !location.store.may_lose_keys() => Err(missing(folder, location.store, MissingCause::Entry)),
        found => Ok(found),
    }
}

/// Loads a key that was saved at that location. If there is no default keyring, this is an error and not `None`: the
/// keyring may come back, so no other key may replace this one.
fn load_recorded(folder: &Path, location: &KeyLocation) -> Result<Option<StoredKey>, KeyStoreError> {
    load(folder, location).map_err(|error| match error {
        KeyStoreError::NoDefaultKeyring => missing(folder, location.store, MissingCause::DefaultKeyring),
        error => error,
    })
}

fn missing(folder: &Path, store: KeyStore, cause: MissingCause) -> KeyStoreError {
    KeyStoreError::Missing { store, folder: folder.to_owned(), cause }
}

/// Reads the key, so that the kernel does not expire it, and saves it again if the store has lost it.
pub(crate) fn touch(folder: &Path, key: Option<&StoredKey>) -> Result<(), KeyStoreError> {
    let Some(current) = KeyRecord::load(folder)?.current else { return Ok(()) };
    match (load_recorded(folder, &current)?, key) {
        (None, Some(key)) => save(folder, &current, key),
        _ => Ok(()),
    }
}

fn create_in_first_usable_store(folder: &Path, record: &mut KeyRecord) -> Result<FoundKey, KeyStoreError> {
    let mut skipped = Vec::new();
    for store in KeyStore::AUTO {
        match create_first_key(folder, record, *store) {
            Ok(found) => return Ok(found),
            Err(error) => skipped.push(reason_to_skip(error)?),
        }
    }
    Err(KeyStoreError::NoneAvailable(skipped.join("; ")))
}

/// Returns why `auto` tries the next store after this error, or the error if it must not: the key belongs in a store
/// that is locked, or that does not answer now. Users cannot unlock the kernel's keyring, so its refusal means that it
/// is not usable here.
fn reason_to_skip(error: KeyStoreError) -> Result<String, KeyStoreError> {
    match error {
        KeyStoreError::Absent { store, reason }
        | KeyStoreError::Refused { store: store @ KeyStore::Keyutils, reason } => {
            Ok(format!("{store}: {reason}"))
        }
        KeyStoreError::NoDefaultKeyring => {
            Ok(format!("{}: it has no default keyring", KeyStore::SecretService))
        }
        error => Err(error),
    }
}

fn create_first_key(
    folder: &Path,
    record: &mut KeyRecord,
    store: KeyStore,
) -> Result<FoundKey, KeyStoreError> {
    let (location, key) = create(folder, record, store, FIRST_COUNTER)?;
    record.deleted(&location);
    record.current = Some(location);
    record.save(folder).map_err(|error| KeyStoreError::Broken { store, reason: error.to_string() })?;
    Ok(FoundKey { current: key, former: None, store })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const FILE: KeyStoreChoice = KeyStoreChoice::Only(KeyStore::File);

    /// Returns the folder of a vault; the counter of its key is beside it.
    fn vault_folder(home: &tempfile::TempDir) -> std::path::PathBuf {
        let folder = home.path().join("vault");
        ssod_private_files::create_folder(&folder).unwrap();
        folder
    }

    fn key_file(folder: &Path) -> std::path::PathBuf {
        let location = KeyRecord::load(folder).unwrap().current.unwrap();
        folder.join(format!("key-{}", location.id))
    }

    #[test]
    fn a_key_is_created_once_and_found_again() {
        let home = tempfile::tempdir().unwrap();
        let folder = vault_folder(&home);
        let created = find_or_create_key(&folder, FILE).unwrap();
        assert_eq!(created.store, KeyStore::File);
        let found = find_or_create_key(&folder, KeyStoreChoice::Auto).unwrap();
        assert_eq!(created.current.key.expose(), found.current.key.expose());
        let mode = fs::metadata(key_file(&folder)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_key_file_that_other_users_may_read_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let folder = vault_folder(&home);
        find_or_create_key(&folder, FILE).unwrap();
        fs::set_permissions(key_file(&folder), fs::Permissions::from_mode(0o644)).unwrap();
        let error = find_or_create_key(&folder, FILE).unwrap_err();
        assert!(matches!(error, KeyStoreError::Refused { .. }), "{error:?}");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_key_in_another_store_than_the_setting_names_is_used() {
        let home = tempfile::tempdir().unwrap();
        let folder = vault_folder(&home);
        let created = find_or_create_key(&folder, FILE).unwrap();
        let found = find_or_create_key(&folder, KeyStoreChoice::Only(KeyStore::Keyutils)).unwrap();
        assert_eq!((found.store, found.current.key.expose()), (KeyStore::File, created.current.key.expose()));
    }

    #[test]
    fn a_damaged_location_is_an_error_and_creates_no_key() {
        for text in ["", "floppy 1", "file ../key", "file 1\nfloppy 2"] {
            let home = tempfile::tempdir().unwrap();
            let folder = vault_folder(&home);
            ssod_private_files::write(&folder.join("key-store"), text.as_bytes()).unwrap();
            let error = find_or_create_key(&folder, FILE).unwrap_err();
            assert!(matches!(error, KeyStoreError::Broken { .. }), "{text:?}: {error:?}");
        }
    }

    #[test]
    fn auto_skips_only_stores_that_are_not_usable_here() {
        let reason = || "why".to_owned();
        let service = KeyStore::SecretService;
        for skipped in [
            KeyStoreError::Absent { store: service, reason: reason() },
            KeyStoreError::NoDefaultKeyring,
            KeyStoreError::Refused { store: KeyStore::Keyutils, reason: reason() },
        ] {
            assert!(reason_to_skip(skipped.clone()).is_ok(), "{skipped}");
        }
        for not_skipped in [
            KeyStoreError::Locked(service),
            KeyStoreError::Refused { store: service, reason: reason() },
            KeyStoreError::Broken { store: service, reason: reason() },
        ] {
            assert_eq!(reason_to_skip(not_skipped.clone()), Err(not_skipped));
        }
    }
}
