//! The folder of sealed files.

mod rekey;

pub use rekey::RekeyError;

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};

use atomic_write_file::AtomicWriteFile;
use atomic_write_file::unix::OpenOptionsExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use ssod_model::{CachedCredentials, EndpointTokens, SecretStore, SessionName, SessionRecord, StoreError};
use zeroize::Zeroizing;

use crate::key_store::{self, Places};
use crate::record::{CredentialsFile, EndpointTokensFile, SessionFile};
use crate::{FoundKey, KeyStore, KeyStoreError, OpenError, VaultKey, open, seal};

const SESSION_PREFIX: &str = "session-";
const SUFFIX: &str = ".sealed";
const CREDENTIALS: &str = "role-credentials.sealed";
const ENDPOINT_TOKENS: &str = "endpoint-tokens.sealed";
const LOCKED: &str = "the vault is locked";
/// Ten thousand cached credentials have about 20 MB.
const FILE_CAP: u64 = 256 * 1024 * 1024;

/// The sealed files of one user, and the key to them while it is unlocked.
#[derive(Debug)]
pub struct Vault {
    folder: PathBuf,
    /// Held for reading while a file is sealed or opened, and for writing while the key changes.
    keys: RwLock<Option<Keys>>,
    /// Each with the file that was kept.
    problems: Mutex<Vec<(PathBuf, String)>>,
}

/// The keys in memory.
#[derive(Debug)]
struct Keys {
    /// What everything is sealed under.
    current: VaultKey,
    /// What some files are still under, where a change of the key was cut short.
    former: Option<VaultKey>,
}

impl Keys {
    fn open(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        match (open(&self.current, name, sealed), &self.former) {
            (Err(OpenError::OtherKey), Some(former)) => open(former, name, sealed),
            (outcome, _) => outcome,
        }
    }
}

impl Vault {
    /// The vault in that folder, made (0700) where there is none; locked, until it is given its key.
    pub fn new(folder: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        Ok(Self { folder: folder.to_owned(), keys: RwLock::default(), problems: Mutex::default() })
    }

    /// Takes the key. A change of the key that was cut short is brought to its end. Blocks on disk and key store.
    pub fn unlock(&self, found: FoundKey) {
        if !found.key.is_locked_in_memory() {
            tracing::warn!(
                "the vault's key may reach the swap: this user's limit of locked memory (ulimit -l) is used up"
            );
        }
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let keys = keys.insert(Keys { current: found.key, former: found.former });
        if let Err(error) = self.finish_rekey(keys) {
            // Both keys open everything, so nothing has to wait for that.
            tracing::warn!(%error, "the vault's change of key is not at its end yet");
        }
    }

    /// Where the key is, as the vault remembers it.
    pub fn key_store(&self) -> Option<KeyStore> {
        Places::load(&self.folder).ok().flatten().map(|places| places.current.store)
    }

    /// Whether a change of the key was begun and is not at its end.
    pub fn is_changing_key(&self) -> bool {
        Places::load(&self.folder).is_ok_and(|places| places.is_some_and(|places| places.former.is_some()))
    }

    /// Looks at the key in its store, so that the kernel keeps it, and puts it back where the store lost it meanwhile. Does
    /// it as best it can while the vault is locked. Blocks on the key store.
    pub fn keep_key(&self) -> Result<(), KeyStoreError> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        key_store::keep(&self.folder, keys.as_ref().map(|keys| &keys.current))
    }

    /// Forgets the key; nothing can be read or saved until [`unlock`](Self::unlock).
    pub fn lock(&self) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What could not be read since the start, each a sentence with its remedy, as long as the file that was kept is there.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever removed what was kept has read about it.
        problems.retain(|(kept, _)| kept.exists());
        problems.iter().map(|(_, problem)| problem.clone()).collect()
    }

    fn write(&self, name: &str, value: &impl Serialize) -> Result<(), StoreError> {
        let failed = |error: &dyn std::fmt::Display| {
            StoreError(format!("cannot write {}: {error}", self.folder.join(name).display()))
        };
        let content = Zeroizing::new(serde_json::to_vec(value).map_err(|error| failed(&error))?);
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let keys = keys.as_ref().ok_or_else(|| failed(&LOCKED))?;
        let sealed = seal(&keys.current, name, &content).map_err(|error| failed(&error))?;
        self.replace(name, &sealed).map_err(|error| failed(&error))
    }

    /// Puts a file in place, whole or not at all.
    fn replace(&self, name: &str, sealed: &[u8]) -> io::Result<()> {
        let path = self.folder.join(name);
        let mut file = AtomicWriteFile::options().preserve_mode(false).mode(0o600).open(path)?;
        file.write_all(sealed)?;
        file.commit()
    }

    /// The names of the sealed files.
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            names.extend(name.to_str().filter(|name| name.ends_with(SUFFIX)).map(str::to_owned));
        }
        Ok(names)
    }

    /// The content of a file: `None` where there is none, or where it does not open and was set aside.
    fn read<F: DeserializeOwned, T: TryFrom<F>>(&self, name: &str) -> Result<Option<T>, StoreError>
    where
        T::Error: std::fmt::Display,
    {
        let path = self.folder.join(name);
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let keys =
            keys.as_ref().ok_or_else(|| StoreError(format!("cannot read {}: {LOCKED}", path.display())))?;
        let sealed = match read_bounded(&path) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError(format!("cannot read {}: {error}", path.display()))),
        };
        let content = match keys.open(name, &sealed) {
            Ok(content) => content,
            Err(error) => return self.set_aside(&path, &error.to_string()),
        };
        let parsed = serde_json::from_slice::<F>(&content)
            .map_err(|_| "its content is not what ssod writes".to_owned());
        match parsed.and_then(|file| T::try_from(file).map_err(|error| error.to_string())) {
            Ok(value) => Ok(Some(value)),
            Err(why) => self.set_aside(&path, &why),
        }
    }

    /// Moves a file that does not open out of the way, so that nothing overwrites it, and says so.
    fn set_aside<T>(&self, path: &Path, why: &str) -> Result<Option<T>, StoreError> {
        let free = |number: &u32| !aside(path, *number).exists();
        let to = (1..1_000).find(free).map_or_else(|| aside(path, 1_000), |number| aside(path, number));
        fs::rename(path, &to)
            .map_err(|error| StoreError(format!("cannot set {} aside: {error}", path.display())))?;
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let remedy = if file.starts_with(SESSION_PREFIX) {
            "Sign in again: ssod login"
        } else if file == CREDENTIALS {
            "Nothing is lost: role credentials are fetched anew"
        } else {
            "Open shells need a new environment: eval \"$(ssod env PROFILE)\""
        };
        let problem =
            format!("{} does not open: {why}. It was kept as {}. {remedy}.", path.display(), to.display());
        tracing::warn!("{problem}");
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).push((to, problem));
        Ok(None)
    }
}

impl SecretStore for Vault {
    fn load_sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        let unreadable =
            |error: io::Error| StoreError(format!("cannot read {}: {error}", self.folder.display()));
        let mut records = Vec::new();
        for name in self.names().map_err(unreadable)? {
            if name.starts_with(SESSION_PREFIX) {
                records.extend(self.read::<SessionFile, SessionRecord>(&name)?);
            }
        }
        Ok(records)
    }

    fn save_session(&self, record: &SessionRecord) -> Result<(), StoreError> {
        self.write(&session_file(&record.name), &SessionFile::from(record))
    }

    fn forget_session(&self, name: &SessionName) -> Result<(), StoreError> {
        // Not while a change of the key seals it anew, which would bring it back.
        let _keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let path = self.folder.join(session_file(name));
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError(format!("cannot remove {}: {error}", path.display())))
            }
            _ => Ok(()),
        }
    }

    fn load_credentials(&self) -> Result<Vec<CachedCredentials>, StoreError> {
        self.read::<CredentialsFile, Vec<CachedCredentials>>(CREDENTIALS).map(Option::unwrap_or_default)
    }

    fn save_credentials(&self, credentials: &[CachedCredentials]) -> Result<(), StoreError> {
        self.write(CREDENTIALS, &CredentialsFile::from(credentials))
    }

    fn load_endpoint_tokens(&self) -> Result<EndpointTokens, StoreError> {
        self.read::<EndpointTokensFile, EndpointTokens>(ENDPOINT_TOKENS).map(Option::unwrap_or_default)
    }

    fn save_endpoint_tokens(&self, tokens: &EndpointTokens) -> Result<(), StoreError> {
        self.write(ENDPOINT_TOKENS, &EndpointTokensFile::from(tokens))
    }
}

/// A session's file: named by digest, because a session's name can be longer and stranger than a file's.
fn session_file(name: &SessionName) -> String {
    let digest = Sha256::digest(name.as_str());
    format!("{SESSION_PREFIX}{}{SUFFIX}", base16ct::lower::encode_string(&digest[..16]))
}

fn aside(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".set-aside-{number}"));
    name.into()
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)?;
    if file.metadata()?.len() > FILE_CAP {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is far larger than anything ssod writes"));
    }
    let mut content = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, FILE_CAP), &mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests;
