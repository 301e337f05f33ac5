//! Where the vault's key is, and how it is found or created.

mod error;
mod file;
mod keyring;
mod location;
#[cfg(target_os = "linux")]
mod secret_service_probe;

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt as _};
use std::path::Path;
use std::str::FromStr;

use atomic_write_file::AtomicWriteFile;
use atomic_write_file::unix::OpenOptionsExt;
use zeroize::Zeroizing;

pub use error::{KeyStoreError, MissingCause};
pub(crate) use location::{KeyLocation, KeyLocations};

use crate::VaultKey;

/// Where a key can be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStore {
    /// The Secret Service of a desktop (GNOME Keyring, KDE Wallet, KeePassXC).
    SecretService,
    /// The kernel's keyring: in memory only, lost at reboot.
    Keyutils,
    /// The macOS keychain.
    Keychain,
    /// A file beside the vault (0600): protects only against a careless copy of the vault.
    File,
}

impl KeyStore {
    const ALL: [Self; 4] = [Self::SecretService, Self::Keyutils, Self::Keychain, Self::File];

    /// The stores that `auto` tries, in order. Never the file: only the user may decide that.
    const AUTO: &[Self] =
        if cfg!(target_os = "macos") { &[Self::Keychain] } else { &[Self::SecretService, Self::Keyutils] };

    /// The store's name in `config.toml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SecretService => "secret-service",
            Self::Keyutils => "keyutils",
            Self::Keychain => "keychain",
            Self::File => "file",
        }
    }

    /// Whether losing a key is normal for the store: a reboot clears the kernel's keyring, and the user may remove a
    /// file.
    fn may_lose_keys(self) -> bool {
        matches!(self, Self::Keyutils | Self::File)
    }
}

impl fmt::Display for KeyStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The setting `[vault] key`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyStoreChoice {
    /// The first store that is usable; the key then stays there.
    #[default]
    Auto,
    /// This store.
    Only(KeyStore),
}

impl FromStr for KeyStoreChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let store = KeyStore::ALL.into_iter().find(|store| store.as_str() == text);
        store.map(Self::Only).ok_or_else(|| {
            format!("{text:?} is not a key store: auto, secret-service, keyutils, keychain or file")
        })
    }
}

/// The vault's key, and where it was found.
#[derive(Clone, Debug)]
pub struct FoundKey {
    /// The key.
    pub key: VaultKey,
    /// The key that some files are still sealed under, where a rekey was interrupted.
    pub former: Option<VaultKey>,
    /// Where the key is.
    pub store: KeyStore,
}

/// Finds the vault's key, or creates one if the vault has never had one, or if its store may lose keys and did. A key
/// in another store than the chosen one is used all the same, so that a changed setting loses no sign-in. Blocks for
/// a limited time: key stores answer over D-Bus and may never answer.
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
        // The power failed during a move to a store that may lose keys. Files that are not resealed yet are under this
        // key.
        (None, Some((location, key))) => {
            let store = location.store;
            let broken = |error: io::Error| KeyStoreError::Broken { store, reason: error.to_string() };
            KeyLocations { current: location, former: None }.save(folder).map_err(broken)?;
            Ok(FoundKey { key, former: None, store })
        }
        (None, None) => replace_lost_key(folder, current.store, choice),
    }
}

/// Creates a new key if the store may lose keys. The other stores do not: a new key would set every sign-in aside only
/// because another keyring program runs today.
fn replace_lost_key(
    folder: &Path,
    store: KeyStore,
    choice: KeyStoreChoice,
) -> Result<FoundKey, KeyStoreError> {
    // The kernel's keyring is cleared at each reboot, and a better store may be available now.
    if store == KeyStore::Keyutils && choice == KeyStoreChoice::Auto {
        return create_in_first_usable_store(folder).map_err(|error| match error {
            // The key exists; only this session cannot reach it.
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

/// Loads the key that a rekey replaces; `None` where its store may lose keys and did.
fn load_former(folder: &Path, location: &KeyLocation) -> Result<Option<VaultKey>, KeyStoreError> {
    match load_recorded(folder, location)? {
        None if !location.store.may_lose_keys() => Err(missing(folder, location.store, MissingCause::Entry)),
        found => Ok(found),
    }
}

/// Loads a key that was saved at that location. Without a default keyring this is an error and not `None`: the keyring
/// may come back, so no other key may replace this one meanwhile.
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

/// Returns why `auto` tries the next store after this error, or the error where it must not: a store that is locked, or
/// that does not answer now, is where the key belongs. Users cannot unlock the kernel's keyring, so its refusal means
/// that it is not usable here.
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

/// Creates a key in that store. It is not in use until its location is saved.
pub(crate) fn create(folder: &Path, store: KeyStore) -> Result<(KeyLocation, VaultKey), KeyStoreError> {
    let location = KeyLocation::new(store)?;
    let broken = |reason: String| KeyStoreError::Broken { store, reason };
    let key = VaultKey::generate().map_err(|error| broken(error.to_string()))?;
    save(folder, &location, &key)?;
    // Some stores accept a key and do not return it. It is better to learn that now than after the next reboot.
    match load(folder, &location)? {
        Some(saved) if saved.expose() == key.expose() => Ok((location, key)),
        _ => Err(broken("it does not return what was saved in it".to_owned())),
    }
}

/// Removes a key that no file is sealed under.
pub(crate) fn forget(folder: &Path, location: &KeyLocation) -> Result<(), KeyStoreError> {
    match location.store {
        KeyStore::File => file::forget(folder, &location.id),
        store => keyring::forget(store, &location.id),
    }
}

fn save(folder: &Path, location: &KeyLocation, key: &VaultKey) -> Result<(), KeyStoreError> {
    match location.store {
        KeyStore::File => file::save(folder, &location.id, key),
        store => keyring::save(store, &location.id, key),
    }
}

fn load(folder: &Path, location: &KeyLocation) -> Result<Option<VaultKey>, KeyStoreError> {
    match location.store {
        KeyStore::File => file::load(folder, &location.id),
        store => keyring::load(store, &location.id),
    }
}

fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut file = AtomicWriteFile::options().preserve_mode(false).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.commit()
}

fn hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

/// Keys are stored as hex because KDE Wallet stores text only.
fn encode_key(key: &VaultKey) -> Zeroizing<String> {
    Zeroizing::new(hex(key.expose()))
}

fn decode_key(text: &[u8]) -> Option<VaultKey> {
    let mut bytes = Zeroizing::new([0; 32]);
    let decoded = base16ct::lower::decode(text.trim_ascii(), bytes.as_mut()).ok()?;
    VaultKey::from_bytes(decoded)
}

#[cfg(test)]
mod tests {
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
        assert_eq!(error.word(), "refused");
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
            write_private(&folder.path().join("key-store"), text.as_bytes()).unwrap();
            assert_eq!(find_or_create_key(folder.path(), FILE).unwrap_err().word(), "broken", "{text:?}");
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

    #[test]
    fn parses_the_names_of_key_stores() {
        assert_eq!("auto".parse(), Ok(KeyStoreChoice::Auto));
        assert_eq!("file".parse(), Ok(FILE));
        assert!("floppy".parse::<KeyStoreChoice>().unwrap_err().contains("secret-service"));
    }
}
