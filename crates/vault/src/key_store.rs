//! Where the vault's key lives, and how it is found or made.

mod error;
mod file;
mod keyring;
mod place;
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

pub use error::{KeyStoreError, MissingCause};
pub(crate) use place::{Place, Places};

use crate::VaultKey;

/// A place that keeps a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStore {
    /// The Secret Service of a desktop (GNOME Keyring, KDE Wallet, KeePassXC).
    SecretService,
    /// The kernel's keyring: memory only, gone at reboot.
    Keyutils,
    /// The macOS keychain.
    Keychain,
    /// A file beside the vault (0600): protects against nothing but a careless copy of the vault.
    File,
}

impl KeyStore {
    const ALL: [Self; 4] = [Self::SecretService, Self::Keyutils, Self::Keychain, Self::File];

    /// Those that `auto` tries, in order. Never the file: that is a person's decision.
    const AUTO: &[Self] =
        if cfg!(target_os = "macos") { &[Self::Keychain] } else { &[Self::SecretService, Self::Keyutils] };

    /// The word for it in `config.toml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SecretService => "secret-service",
            Self::Keyutils => "keyutils",
            Self::Keychain => "keychain",
            Self::File => "file",
        }
    }
}

impl fmt::Display for KeyStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What `[vault] key` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyStoreChoice {
    /// The first that works, and from then on the same.
    #[default]
    Auto,
    /// This one.
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

/// What one store says to one question.
enum Kept {
    Key(VaultKey),
    Missing,
}

/// The vault's key as it was found.
#[derive(Clone, Debug)]
pub struct FoundKey {
    /// The key.
    pub key: VaultKey,
    /// The key that some files are still under, where a change of the key was cut short.
    pub former: Option<VaultKey>,
    /// Where the key is.
    pub store: KeyStore,
}

/// Finds the vault's key, or makes one where there was none. Where the key lies in another store than the one asked for, the
/// key counts: no sign-in is lost because a setting changed. Blocks: key stores answer over D-Bus and may never answer, so
/// each is given a bounded time.
pub fn find_key(folder: &Path, choice: KeyStoreChoice) -> Result<FoundKey, KeyStoreError> {
    let Some(places) = Places::load(folder)? else {
        return match choice {
            KeyStoreChoice::Only(store) => make_first(folder, store),
            KeyStoreChoice::Auto => first_usable(folder),
        };
    };
    let store = places.current.store;
    let former = match &places.former {
        Some(place) => match load_recorded(folder, place)? {
            Kept::Key(key) => Some((place.clone(), key)),
            Kept::Missing if forgets(place.store) => None,
            Kept::Missing => return Err(missing(place.store, folder, MissingCause::Entry)),
        },
        None => None,
    };
    match (load_recorded(folder, &places.current)?, former) {
        (Kept::Key(key), former) => Ok(FoundKey { key, former: former.map(|(_, key)| key), store }),
        // The power failed while the key moved to a store that forgets: what was not sealed anew yet is under the old one.
        (Kept::Missing, Some((place, key))) => {
            let store = place.store;
            let broken = |error: io::Error| KeyStoreError::Broken { store, reason: error.to_string() };
            Places { current: place, former: None }.save(folder).map_err(broken)?;
            Ok(FoundKey { key, former: None, store })
        }
        // The kernel's keyring forgets at each reboot, and a better store may have come since.
        (Kept::Missing, None) if store == KeyStore::Keyutils && choice == KeyStoreChoice::Auto => {
            first_usable(folder).map_err(|error| match error {
                // There is a key: what is missing is the way to it.
                KeyStoreError::NoneAvailable(_) => KeyStoreError::Refused {
                    store,
                    reason: "this login session does not reach it".to_owned(),
                },
                error => error,
            })
        }
        (Kept::Missing, None) if forgets(store) => make_first(folder, store),
        // These do not forget. A new key would set every sign-in aside because another keyring program answers today.
        (Kept::Missing, None) => Err(missing(store, folder, MissingCause::Entry)),
    }
}

/// Whether it is an everyday thing that the store no longer has a key: the kernel forgets, and a file can be removed.
fn forgets(store: KeyStore) -> bool {
    matches!(store, KeyStore::Keyutils | KeyStore::File)
}

/// Loads a key that was saved at that place. Without a default keyring the key is missing, which is not the same as an
/// empty store: the keyring may come back, so no other key may take the key's role meanwhile.
fn load_recorded(folder: &Path, place: &Place) -> Result<Kept, KeyStoreError> {
    load(folder, place).map_err(|error| match error {
        KeyStoreError::NoDefaultKeyring => missing(place.store, folder, MissingCause::DefaultKeyring),
        error => error,
    })
}

fn missing(store: KeyStore, folder: &Path, cause: MissingCause) -> KeyStoreError {
    KeyStoreError::Missing { store, folder: folder.to_owned(), cause }
}

/// Looks at the key, so that the kernel keeps it, and puts it back where the store lost it meanwhile.
pub(crate) fn keep(folder: &Path, key: Option<&VaultKey>) -> Result<(), KeyStoreError> {
    let Some(places) = Places::load(folder)? else { return Ok(()) };
    match (load_recorded(folder, &places.current)?, key) {
        (Kept::Missing, Some(key)) => save(folder, &places.current, key),
        _ => Ok(()),
    }
}

fn first_usable(folder: &Path) -> Result<FoundKey, KeyStoreError> {
    let mut skipped = Vec::new();
    for store in KeyStore::AUTO {
        match make_first(folder, *store) {
            Ok(found) => return Ok(found),
            Err(error) => skipped.push(reason_to_skip(error)?),
        }
    }
    Err(KeyStoreError::NoneAvailable(skipped.join("; ")))
}

/// Returns why `auto` tries the next store after this error, or the error where it must not: a store that is locked, or
/// that does not answer now, is where the key belongs. Users cannot unlock the kernel's keyring, so its refusal means that
/// it is not usable here.
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

fn make_first(folder: &Path, store: KeyStore) -> Result<FoundKey, KeyStoreError> {
    let (current, key) = make(folder, store)?;
    let places = Places { current, former: None };
    if let Err(error) = places.save(folder) {
        // A key that nobody remembers is of no use; whether it goes makes no difference to the error.
        let _ = forget(folder, &places.current);
        return Err(KeyStoreError::Broken { store, reason: error.to_string() });
    }
    Ok(FoundKey { key, former: None, store })
}

/// Makes a key in that store. It counts once its place is saved.
pub(crate) fn make(folder: &Path, store: KeyStore) -> Result<(Place, VaultKey), KeyStoreError> {
    let place = Place::new(store)?;
    let broken = |reason: String| KeyStoreError::Broken { store, reason };
    let key = VaultKey::generate().map_err(|error| broken(error.to_string()))?;
    save(folder, &place, &key)?;
    // Some stores take a key and do not give it back: better to learn it now than after the next reboot.
    match load(folder, &place)? {
        Kept::Key(kept) if kept.expose() == key.expose() => Ok((place, key)),
        _ => Err(broken("it does not give back what it was given".to_owned())),
    }
}

/// Removes a key that nothing is under any more.
pub(crate) fn forget(folder: &Path, place: &Place) -> Result<(), KeyStoreError> {
    match place.store {
        KeyStore::File => file::forget(folder, &place.id),
        store => keyring::forget(store, &place.id),
    }
}

fn save(folder: &Path, place: &Place, key: &VaultKey) -> Result<(), KeyStoreError> {
    match place.store {
        KeyStore::File => file::save(folder, &place.id, key),
        store => keyring::save(store, &place.id, key),
    }
}

fn load(folder: &Path, place: &Place) -> Result<Kept, KeyStoreError> {
    match place.store {
        KeyStore::File => file::load(folder, &place.id),
        store => keyring::load(store, &place.id),
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

/// Keys are kept as hex: KDE Wallet keeps text only.
fn hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

fn unhex(text: &[u8]) -> Option<VaultKey> {
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    let decoded = base16ct::lower::decode(text.trim_ascii(), bytes.as_mut()).ok()?;
    VaultKey::from_bytes(decoded)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const FILE: KeyStoreChoice = KeyStoreChoice::Only(KeyStore::File);

    fn key_file(folder: &Path) -> std::path::PathBuf {
        let place = Places::load(folder).unwrap().unwrap().current;
        folder.join(format!("key-{}", place.id))
    }

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let kept = find_key(folder.path(), FILE).unwrap();
        assert_eq!(kept.store, KeyStore::File);
        let found = find_key(folder.path(), KeyStoreChoice::Auto).unwrap();
        assert_eq!(kept.key.expose(), found.key.expose());
        let mode = fs::metadata(key_file(folder.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        find_key(folder.path(), FILE).unwrap();
        fs::set_permissions(key_file(folder.path()), fs::Permissions::from_mode(0o644)).unwrap();
        let error = find_key(folder.path(), FILE).unwrap_err();
        assert_eq!(error.word(), "refused");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn the_key_counts_whatever_the_setting_says() {
        let folder = tempfile::tempdir().unwrap();
        let kept = find_key(folder.path(), FILE).unwrap();
        let found = find_key(folder.path(), KeyStoreChoice::Only(KeyStore::Keyutils)).unwrap();
        assert_eq!((found.store, found.key.expose()), (KeyStore::File, kept.key.expose()));
    }

    #[test]
    fn a_damaged_place_is_an_error_and_makes_no_new_key() {
        for text in ["", "floppy 1", "file ../key", "file 1\nfloppy 2"] {
            let folder = tempfile::tempdir().unwrap();
            write_private(&folder.path().join("key-store"), text.as_bytes()).unwrap();
            assert_eq!(find_key(folder.path(), FILE).unwrap_err().word(), "broken", "{text:?}");
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
        for kept in [
            KeyStoreError::Locked(service),
            KeyStoreError::Refused { store: service, reason: reason() },
            KeyStoreError::Broken { store: service, reason: reason() },
        ] {
            assert_eq!(reason_to_skip(kept.clone()), Err(kept));
        }
    }

    #[test]
    fn words_for_stores() {
        assert_eq!("auto".parse(), Ok(KeyStoreChoice::Auto));
        assert_eq!("file".parse(), Ok(FILE));
        assert!("floppy".parse::<KeyStoreChoice>().unwrap_err().contains("secret-service"));
    }
}
