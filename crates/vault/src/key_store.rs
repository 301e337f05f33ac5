//! Where the vault's key lives, and how it is found or made.

mod file;
mod keyring;
#[cfg(target_os = "linux")]
mod secret_service_probe;

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use atomic_write_file::AtomicWriteFile;
use atomic_write_file::unix::OpenOptionsExt;
use thiserror::Error;

use crate::VaultKey;

/// Names the store and the key in it; not secret.
const PLACE_FILE: &str = "key-store";

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

/// Why there is no key. Each has another remedy.
#[derive(Debug, Error)]
pub enum KeyStoreError {
    /// It is there, but locked.
    #[error("the key store {0} is locked. Unlock it (signing in to the desktop does), then start ssod again")]
    Locked(KeyStore),
    /// It is not there.
    #[error("the key store {store} is not available: {reason}. {}", remedy(*store))]
    Absent {
        /// Which.
        store: KeyStore,
        /// Why.
        reason: String,
    },
    /// None of those that `auto` tries is there.
    #[error(
        "no key store is available ({0}). On a machine without one, choose the file: \
         set key = \"file\" under [vault] in config.toml"
    )]
    NoneAvailable(String),
    /// It is there, but no longer has what it was given.
    #[error(
        "the key store {store} does not have the key of {} any more. If another keyring program answers now, start the one \
         that has it; if the key is lost, move that folder away and sign in again",
        .folder.display()
    )]
    Lost {
        /// Which.
        store: KeyStore,
        /// The vault's folder.
        folder: PathBuf,
    },
    /// The vault's key is elsewhere.
    #[error(
        "the vault's key is in {kept}, but [vault] key says {asked}. Set it back to \"{kept}\", \
         or move the vault's folder away to begin anew"
    )]
    Elsewhere {
        /// Where it is.
        kept: KeyStore,
        /// Where it is looked for.
        asked: KeyStore,
    },
    /// Anything else.
    #[error("the key store {store} does not work: {reason}")]
    Broken {
        /// Which.
        store: KeyStore,
        /// Why.
        reason: String,
    },
}

fn remedy(store: KeyStore) -> &'static str {
    match store {
        KeyStore::SecretService => "Start a keyring such as gnome-keyring, or choose another [vault] key",
        KeyStore::Keyutils => {
            "Start ssod from a login session (or under: keyctl session), or choose another [vault] key"
        }
        KeyStore::Keychain | KeyStore::File => "Choose another [vault] key",
    }
}

/// What one store says to one question.
enum Kept {
    Key(VaultKey),
    Missing,
}

/// Which store has the vault's key, and under which name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    store: KeyStore,
    /// Part of the entry's name, so that two vaults (a test's, a demo's) never share a key.
    id: String,
}

/// Finds the vault's key, or makes one where there was none. Blocks: key stores answer over D-Bus and may never answer, so
/// each is given a bounded time.
pub fn find_key(folder: &Path, choice: KeyStoreChoice) -> Result<(VaultKey, KeyStore), KeyStoreError> {
    match (remembered(folder)?, choice) {
        (Some(place), KeyStoreChoice::Only(asked)) if place.store != asked => {
            Err(KeyStoreError::Elsewhere { kept: place.store, asked })
        }
        (Some(place), _) => match (load(folder, &place)?, place.store) {
            (Kept::Key(key), store) => Ok((key, store)),
            // The kernel's keyring forgets at each reboot, and a better store may have come since.
            (Kept::Missing, KeyStore::Keyutils) if choice == KeyStoreChoice::Auto => first_usable(folder),
            (Kept::Missing, KeyStore::Keyutils | KeyStore::File) => make(folder, &place),
            // These do not forget. A new key would set every sign-in aside because another keyring program answers today.
            (Kept::Missing, store @ (KeyStore::SecretService | KeyStore::Keychain)) => {
                Err(KeyStoreError::Lost { store, folder: folder.to_owned() })
            }
        },
        (None, KeyStoreChoice::Only(store)) => make(folder, &new_place(store)?),
        (None, KeyStoreChoice::Auto) => first_usable(folder),
    }
}

/// The first store that is there. Only absence leads to the next one: a store that is locked, or that does not answer now,
/// is where the key belongs.
fn first_usable(folder: &Path) -> Result<(VaultKey, KeyStore), KeyStoreError> {
    let mut absent = Vec::new();
    for store in KeyStore::AUTO {
        match make(folder, &new_place(*store)?) {
            Err(KeyStoreError::Absent { store, reason }) => absent.push(format!("{store}: {reason}")),
            outcome => return outcome,
        }
    }
    Err(KeyStoreError::NoneAvailable(absent.join("; ")))
}

fn make(folder: &Path, place: &Place) -> Result<(VaultKey, KeyStore), KeyStoreError> {
    let store = place.store;
    let broken = |reason: String| KeyStoreError::Broken { store, reason };
    let key = VaultKey::generate().map_err(|error| broken(error.to_string()))?;
    save(folder, place, &key)?;
    // Some stores take a key and do not give it back: better to learn it now than after the next reboot.
    match load(folder, place)? {
        Kept::Key(kept) if kept.expose() == key.expose() => {}
        _ => return Err(broken("it does not give back what it was given".to_owned())),
    }
    remember(folder, place).map_err(|error| broken(error.to_string()))?;
    Ok((key, store))
}

fn load(folder: &Path, place: &Place) -> Result<Kept, KeyStoreError> {
    match place.store {
        KeyStore::File => file::load(folder),
        store => keyring::load(store, &place.id),
    }
}

fn save(folder: &Path, place: &Place, key: &VaultKey) -> Result<(), KeyStoreError> {
    match place.store {
        KeyStore::File => file::save(folder, key),
        store => keyring::save(store, &place.id, key),
    }
}

fn new_place(store: KeyStore) -> Result<Place, KeyStoreError> {
    let mut id = [0; 8];
    getrandom::fill(&mut id).map_err(|error| KeyStoreError::Broken { store, reason: error.to_string() })?;
    Ok(Place { store, id: hex(&id) })
}

fn remembered(folder: &Path) -> Result<Option<Place>, KeyStoreError> {
    let path = folder.join(PLACE_FILE);
    let broken = |reason: String| KeyStoreError::Broken {
        store: KeyStore::File,
        reason: format!("{} {reason}; move the vault's folder away to begin anew", path.display()),
    };
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(broken(format!("cannot be read: {error}"))),
    };
    let mut words = text.split_whitespace();
    let store = words.next().and_then(|word| KeyStore::ALL.into_iter().find(|store| store.as_str() == word));
    match (store, words.next()) {
        (Some(store), Some(id)) => Ok(Some(Place { store, id: id.to_owned() })),
        _ => Err(broken("does not name a key store".to_owned())),
    }
}

fn remember(folder: &Path, place: &Place) -> io::Result<()> {
    write_private(&folder.join(PLACE_FILE), format!("{} {}\n", place.store, place.id).as_bytes())
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

    #[test]
    fn a_key_is_made_once_and_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let (kept, store) = find_key(folder.path(), FILE).unwrap();
        assert_eq!(store, KeyStore::File);
        let (found, _) = find_key(folder.path(), KeyStoreChoice::Auto).unwrap();
        assert_eq!(kept.expose(), found.expose());
        let mode = fs::metadata(folder.path().join("key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        find_key(folder.path(), FILE).unwrap();
        fs::set_permissions(folder.path().join("key"), fs::Permissions::from_mode(0o644)).unwrap();
        let error = find_key(folder.path(), FILE).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn another_store_than_the_vaults_is_an_error_that_names_both() {
        let folder = tempfile::tempdir().unwrap();
        find_key(folder.path(), FILE).unwrap();
        let error =
            find_key(folder.path(), KeyStoreChoice::Only(KeyStore::Keyutils)).unwrap_err().to_string();
        assert!(error.contains("is in file") && error.contains("says keyutils"), "{error}");
    }

    #[test]
    fn words_for_stores() {
        assert_eq!("auto".parse(), Ok(KeyStoreChoice::Auto));
        assert_eq!("file".parse(), Ok(FILE));
        assert!("floppy".parse::<KeyStoreChoice>().unwrap_err().contains("secret-service"));
    }
}
