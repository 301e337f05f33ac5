//! The folder of sealed files.

mod rekey;

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

pub use rekey::RekeyError;

use crate::key_store::{self, KeyLocations};
use crate::record::{CredentialsFile, EndpointTokensFile, SessionFile};
use crate::{FoundKey, KeyStore, KeyStoreError, OpenError, VaultKey, open, seal};

const SESSION_PREFIX: &str = "session-";
const SUFFIX: &str = ".sealed";
const CREDENTIALS: &str = "role-credentials.sealed";
const ENDPOINT_TOKENS: &str = "endpoint-tokens.sealed";
const LOCKED: &str = "the vault is locked";
/// Ten thousand cached credentials take about 20 MB.
const MAX_FILE_LEN: u64 = 256 * 1024 * 1024;

/// The sealed files of one user and, while it is unlocked, their key.
#[derive(Debug)]
pub struct Vault {
    folder: PathBuf,
    /// Held for reading while a file is sealed or opened, and for writing during a rekey. `None` while locked.
    keys: RwLock<Option<Keys>>,
    set_aside: Mutex<Vec<SetAsideFile>>,
}

/// The keys in memory.
#[derive(Debug)]
struct Keys {
    /// The key that files are sealed under.
    current: VaultKey,
    /// The key that some files are still sealed under, where a rekey was interrupted.
    former: Option<VaultKey>,
}

/// A file that did not open.
#[derive(Debug)]
struct SetAsideFile {
    /// Where it is now.
    path: PathBuf,
    /// What is wrong with it, with its remedy.
    problem: String,
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
    /// Returns the vault in that folder, which is created (0700) if it does not exist. It is locked until
    /// [`unlock`](Self::unlock).
    pub fn new(folder: &Path) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        Ok(Self { folder: folder.to_owned(), keys: RwLock::default(), set_aside: Mutex::default() })
    }

    /// Unlocks the vault with its key, and completes a rekey that was interrupted. Blocks on the disk and the key
    /// store.
    pub fn unlock(&self, found: FoundKey) {
        if !found.key.is_locked_in_memory() {
            tracing::warn!(
                "the vault's key may be written to swap: this user's limit of locked memory (ulimit -l) is used up"
            );
        }
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let keys = keys.insert(Keys { current: found.key, former: found.former });
        if let Err(error) = self.finish_rekey(keys) {
            // Every file opens under one of the two keys, so the vault is usable all the same.
            tracing::warn!(%error, "the rekey of the vault is not complete yet");
        }
    }

    /// Where the key is, according to the `key-store` file.
    pub fn key_store(&self) -> Option<KeyStore> {
        KeyLocations::load(&self.folder).ok().flatten().map(|locations| locations.current.store)
    }

    /// Whether a rekey has begun and is not complete.
    pub fn is_changing_key(&self) -> bool {
        KeyLocations::load(&self.folder)
            .is_ok_and(|locations| locations.is_some_and(|locations| locations.former.is_some()))
    }

    /// Reads the key from its store, so that the kernel does not expire it, and saves it again if the store has lost
    /// it; the latter only while the vault is unlocked. Blocks on the key store.
    pub fn touch_key(&self) -> Result<(), KeyStoreError> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        key_store::touch(&self.folder, keys.as_ref().map(|keys| &keys.current))
    }

    /// Forgets the key. Nothing can be read or saved until [`unlock`](Self::unlock).
    pub fn lock(&self) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Returns what could not be read since the start, each as a sentence with its remedy, until the user removes the
    /// file.
    pub fn problems(&self) -> Vec<String> {
        let mut set_aside = self.set_aside.lock().unwrap_or_else(PoisonError::into_inner);
        set_aside.retain(|file| file.path.exists());
        set_aside.iter().map(|file| file.problem.clone()).collect()
    }

    fn write(&self, name: &str, value: &impl Serialize) -> Result<(), StoreError> {
        let failed = |error: &dyn std::fmt::Display| {
            StoreError(format!("cannot write {}: {error}", self.folder.join(name).display()))
        };
        let content = Zeroizing::new(serde_json::to_vec(value).map_err(|error| failed(&error))?);
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let keys = keys.as_ref().ok_or_else(|| failed(&LOCKED))?;
        let sealed = seal(&keys.current, name, &content).map_err(|error| failed(&error))?;
        self.replace_file(name, &sealed).map_err(|error| failed(&error))
    }

    /// Replaces a file atomically.
    fn replace_file(&self, name: &str, sealed: &[u8]) -> io::Result<()> {
        let path = self.folder.join(name);
        let mut file = AtomicWriteFile::options().preserve_mode(false).mode(0o600).open(path)?;
        file.write_all(sealed)?;
        file.commit()
    }

    /// Returns the names of the sealed files.
    fn sealed_names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            names.extend(name.to_str().filter(|name| name.ends_with(SUFFIX)).map(str::to_owned));
        }
        Ok(names)
    }

    /// Reads a file; `None` if it does not exist, or if it did not open and was set aside.
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
            .map_err(|_| "its content was not written by ssod".to_owned());
        match parsed.and_then(|file| T::try_from(file).map_err(|error| error.to_string())) {
            Ok(value) => Ok(Some(value)),
            Err(why) => self.set_aside(&path, &why),
        }
    }

    /// Renames a file that does not open, so that nothing overwrites it, and reports that.
    fn set_aside<T>(&self, path: &Path, why: &str) -> Result<Option<T>, StoreError> {
        let is_free = |number: &u32| !set_aside_path(path, *number).exists();
        let number = (1..1_000).find(is_free).unwrap_or(1_000);
        let to = set_aside_path(path, number);
        fs::rename(path, &to)
            .map_err(|error| StoreError(format!("cannot set {} aside: {error}", path.display())))?;
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let remedy = if file.starts_with(SESSION_PREFIX) {
            "Sign in again: ssod login"
        } else if file == CREDENTIALS {
            "Nothing is lost: role credentials are fetched again"
        } else {
            "Open shells need a new environment: eval \"$(ssod env PROFILE)\""
        };
        let problem =
            format!("{} does not open: {why}. It was kept as {}. {remedy}.", path.display(), to.display());
        tracing::warn!("{problem}");
        self.set_aside
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(SetAsideFile { path: to, problem });
        Ok(None)
    }
}

impl SecretStore for Vault {
    fn load_sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        let unreadable =
            |error: io::Error| StoreError(format!("cannot read {}: {error}", self.folder.display()));
        let mut records = Vec::new();
        for name in self.sealed_names().map_err(unreadable)? {
            if name.starts_with(SESSION_PREFIX) {
                records.extend(self.read::<SessionFile, SessionRecord>(&name)?);
            }
        }
        Ok(records)
    }

    fn save_session(&self, record: &SessionRecord) -> Result<(), StoreError> {
        self.write(&session_file_name(&record.name), &SessionFile::from(record))
    }

    fn forget_session(&self, name: &SessionName) -> Result<(), StoreError> {
        // Waits for a rekey, which could otherwise write the file again.
        let _keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let path = self.folder.join(session_file_name(name));
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

/// Returns the name of a session's file: a digest, because a session's name may be too long for a file or contain
/// slashes.
fn session_file_name(name: &SessionName) -> String {
    let digest = Sha256::digest(name.as_str());
    format!("{SESSION_PREFIX}{}{SUFFIX}", base16ct::lower::encode_string(&digest[..16]))
}

fn set_aside_path(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".set-aside-{number}"));
    name.into()
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let file = fs::OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)?;
    if file.metadata()?.len() > MAX_FILE_LEN {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is larger than any file that ssod writes",
        ));
    }
    let mut content = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, MAX_FILE_LEN), &mut content)?;
    Ok(content)
}

#[cfg(test)]
mod tests;
