//! Finds the vault's key, or creates it.

use std::io;
use std::path::Path;

use super::access::{create, forget, load, save};
use super::error::{KeyStoreError, MissingCause};
use super::kind::{KeyStore, KeyStoreChoice};
use super::location::{KeyLocation, KeyLocations};
use crate::key::VaultKey;

/// The vault's key, and where it was found.
#[derive(Clone, Debug)]
pub struct FoundKey {
    /// The key.
    pub key: VaultKey,
    /// The key that some files are still sealed under, if a rekey was interrupted.
    pub former: Option<VaultKey>,
    /// Where the key is.
    pub store: KeyStore,
}

/// Finds the vault's key, or creates one if the vault has never had one, or if its store may lose keys and lost this
/// one. Uses an existing key even if it is in another store than the chosen one, so that a changed setting loses no
/// sign-in. Blocks for a limited time, because a key store may never answer.
pub fn find_or_create_key(folder: &Path, choice: KeyStoreChoice) -> Result<FoundKey, KeyStoreError> {
    let Some(KeyLocations { current, former }) = KeyLocations::load(folder)? else {
        return match choice {
            KeyStoreChoice::Only(store) => create_first_key(folder, store),
            KeyStoreChoice::Auto => create_in_first_usable_store(folder),
        };
    };
    let former = match former {
        Some(location) => load_former(folder, &location)?.map(|key| (location, key)),
        None => None,
    };
    match (load_recorded(folder, &current)?, former) {
        (Some(key), former) => Ok(FoundKey { key, former: former.map(|(_, key)| key), store: current.store }),
        // The power failed during a move to a store that may lose keys. The files that are not sealed again yet are
        // under the former key.
        (None, Some((location, key))) => {
            let store = location.store;
            let broken = |error: io::Error| KeyStoreError::Broken { store, reason: error.to_string() };
            KeyLocations { current: location, former: None }.save(folder).map_err(broken)?;
            Ok(FoundKey { key, former: None, store })
        }
        (None, None) => replace_lost_key(folder, current.store, choice),
    }
}

/// Creates a new key if the store may lose keys. For any other store this is an error: perhaps another keyring program
/// is running now, and a new key would then set every sign-in aside.
fn replace_lost_key(
    folder: &Path,
    store: KeyStore,
    choice: KeyStoreChoice,
) -> Result<FoundKey, KeyStoreError> {
    // The kernel's keyring is cleared at each reboot, and a better store may be available now.
    if store == KeyStore::Keyutils && choice == KeyStoreChoice::Auto {
        return create_in_first_usable_store(folder).map_err(|error| match error {
            // The key may still exist, but this login session cannot reach it.
            KeyStoreError::NoneAvailable(_) => {
                KeyStoreError::Refused { store, reason: "this login session does not reach it".to_owned() }
            }
            error => error,
        });
    }
    if store.may_lose_keys() {
        return create_first_key(folder, store);
    }
    Err(missing(folder, store, MissingCause::Entry))
}

/// Loads the key that a rekey replaces; `None` if its store may lose keys and lost this one.
fn load_former(folder: &Path, location: &KeyLocation) -> Result<Option<VaultKey>, KeyStoreError> {
    match load_recorded(folder, location)? {
        None if !location.store.may_lose_keys() => Err(missing(folder, location.store, MissingCause::Entry)),
        found => Ok(found),
    }
}

/// Loads a key that was saved at that location. If there is no default keyring, this is an error and not `None`: the
/// keyring may come back, so no other key may replace this one.
fn load_recorded(folder: &Path, location: &KeyLocation) -> Result<Option<VaultKey>, KeyStoreError> {
    load(folder, location).map_err(|error| match error {
        KeyStoreError::NoDefaultKeyring => missing(folder, location.store, MissingCause::DefaultKeyring),
        error => error,
    })
}

fn missing(folder: &Path, store: KeyStore, cause: MissingCause) -> KeyStoreError {
    KeyStoreError::Missing { store, folder: folder.to_owned(), cause }
}

/// Reads the key, so that the kernel does not expire it, and saves it again if the store has lost it.
pub(crate) fn touch(folder: &Path, key: Option<&VaultKey>) -> Result<(), KeyStoreError> {
    let Some(locations) = KeyLocations::load(folder)? else { return Ok(()) };
    match (load_recorded(folder, &locations.current)?, key) {
        (None, Some(key)) => save(folder, &locations.current, key),
        _ => Ok(()),
    }
}

fn create_in_first_usable_store(folder: &Path) -> Result<FoundKey, KeyStoreError> {
    let mut skipped = Vec::new();
    for store in KeyStore::AUTO {
        match create_first_key(folder, *store) {
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

fn create_first_key(folder: &Path, store: KeyStore) -> Result<FoundKey, KeyStoreError> {
    let (current, key) = create(folder, store)?;
    let locations = KeyLocations { current, former: None };
    if let Err(error) = locations.save(folder) {
        // A key without a recorded location is never used; failing to remove it does not change the error.
        let _ = forget(folder, &locations.current);
        return Err(KeyStoreError::Broken { store, reason: error.to_string() });
    }
    Ok(FoundKey { key, former: None, store })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const FILE: KeyStoreChoice = KeyStoreChoice::Only(KeyStore::File);

    fn key_file(folder: &Path) -> std::path::PathBuf {
        let location = KeyLocations::load(folder).unwrap().unwrap().current;
        folder.join(format!("key-{}", location.id))
    }

    #[test]
    fn a_key_is_created_once_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let created = find_or_create_key(folder.path(), FILE).unwrap();
        assert_eq!(created.store, KeyStore::File);
        let found = find_or_create_key(folder.path(), KeyStoreChoice::Auto).unwrap();
        assert_eq!(created.key.expose(), found.key.expose());
        let mode = fs::metadata(key_file(folder.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_key_file_that_other_users_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        find_or_create_key(folder.path(), FILE).unwrap();
        fs::set_permissions(key_file(folder.path()), fs::Permissions::from_mode(0o644)).unwrap();
        let error = find_or_create_key(folder.path(), FILE).unwrap_err();
        assert!(matches!(error, KeyStoreError::Refused { .. }), "{error:?}");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_key_in_another_store_than_the_setting_names_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let created = find_or_create_key(folder.path(), FILE).unwrap();
        let found = find_or_create_key(folder.path(), KeyStoreChoice::Only(KeyStore::Keyutils)).unwrap();
        assert_eq!((found.store, found.key.expose()), (KeyStore::File, created.key.expose()));
    }

    #[test]
    fn a_damaged_location_is_an_error_and_creates_no_key() {
        for text in ["", "floppy 1", "file ../key", "file 1\nfloppy 2"] {
            let folder = tempfile::tempdir().unwrap();
            ssod_private_files::write(&folder.path().join("key-store"), text.as_bytes()).unwrap();
            let error = find_or_create_key(folder.path(), FILE).unwrap_err();
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
