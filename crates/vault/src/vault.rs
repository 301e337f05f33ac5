//! The vault: sealed files, and their key while it is unlocked.

mod folder;
mod keys;
pub(crate) mod rekey;
mod revocation;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use ssod_model::{CachedCredentials, EndpointTokens, SecretStore, SessionName, SessionRecord, StoreError};
use zeroize::Zeroizing;

use self::folder::{SUFFIX, SealedFolder};
use self::keys::Keys;
use self::rekey::{LOCKED, RekeyError};
use crate::key_store::access;
use crate::key_store::error::KeyStoreError;
use crate::key_store::find::{self, FoundKey};
use crate::key_store::kind::KeyStore;
use crate::key_store::location::KeyRecord;
use crate::record::{CredentialsFile, EndpointTokensFile, SessionFile};

const SESSION_PREFIX: &str = "session-";
const CREDENTIALS: &str = "role-credentials.sealed";
const ENDPOINT_TOKENS: &str = "endpoint-tokens.sealed";

/// The sealed files of one user and, while it is unlocked, their key.
#[derive(Debug)]
pub struct Vault {
    folder: SealedFolder,
    /// Held for reading while a file is sealed or opened, and for writing during a rekey. `None` while locked.
    keys: RwLock<Option<Keys>>,
    /// Held while the key store or the record of the keys is changed. Taken before `keys`.
    key_store: Mutex<()>,
    /// The record of the keys as it was last read, so that a question about it does not wait for the disk.
    record: Mutex<KeyRecord>,
    /// Why a key that was replaced cannot be deleted.
    undeleted_key: Mutex<Option<KeyStoreError>>,
    /// Why the counter cannot be raised.
    unraised_counter: Mutex<Option<KeyStoreError>>,
    set_aside: Mutex<Vec<SetAsideFile>>,
}

/// A file that did not open and was renamed.
#[derive(Debug)]
struct SetAsideFile {
    /// The new path of the file.
    path: PathBuf,
    /// What is wrong with the file, and the remedy.
    problem: String,
}

impl Vault {
    /// Returns the vault in that folder, which is created (0700) if it does not exist. It is locked until
    /// [`unlock`](Self::unlock).
    pub fn new(folder: &Path) -> io::Result<Self> {
        let folder = SealedFolder::create(folder)?;
        // An error appears when the key is looked for.
        let record = KeyRecord::load(folder.path()).unwrap_or_default();
        Ok(Self {
            folder,
            record: Mutex::new(record),
            keys: RwLock::default(),
            key_store: Mutex::default(),
            undeleted_key: Mutex::default(),
            unraised_counter: Mutex::default(),
            set_aside: Mutex::default(),
        })
    }

    /// Unlocks the vault with its key, and completes a rekey and a revocation that were interrupted. Blocks on the disk
    /// and, in those cases, on the key store.
    pub fn unlock(&self, found: FoundKey) {
        if !found.current.key.is_locked_in_memory() {
            tracing::warn!(
                "the vault's key may be written to swap: this user's limit of locked memory (ulimit -l) is used up"
            );
        }
        let _key_store = self.lock_key_store();
        {
            let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
            let keys = keys.insert(Keys::new(found));
            if let Err(error) = keys.adopt_counter_of_files(&self.folder) {
                tracing::warn!(%error, "the counter of the vault's files cannot be read");
            }
            if let Err(error) = rekey::finish(&self.folder, keys) {
                // Every file opens under one of the two keys, so the vault is usable without the rekey.
                tracing::warn!(%error, "the rekey of the vault is not complete yet");
            }
        }
        self.read_record_again();
        // The vault is usable nevertheless, and the error is one of its problems.
        let _ = self.report_unraised(self.complete_revocation());
    }

    /// Returns where the key is, according to the `key-store` file.
    pub fn key_store(&self) -> Option<KeyStore> {
        self.record().current.as_ref().map(|location| location.store)
    }

    /// Returns whether a rekey has started and is not complete.
    pub fn is_changing_key(&self) -> bool {
        self.record().former.is_some()
    }

    fn record(&self) -> MutexGuard<'_, KeyRecord> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_record_again(&self) {
        if let Ok(record) = KeyRecord::load(self.folder.path()) {
            *self.record() = record;
        }
    }

    /// Reads the key from its store, so that the kernel does not expire it, and saves it again if the store has lost
    /// it; the latter only while the vault is unlocked. Blocks on the key store.
    pub fn touch_key(&self) -> Result<(), KeyStoreError> {
        let _key_store = self.lock_key_store();
        let key = {
            let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
            keys.as_ref().map(|keys| keys.current.clone())
        };
        find::touch(self.folder.path(), key.as_ref())
    }

    /// Seals every file again under a new key in that store, then deletes the old key. Blocks on the disk and the key
    /// store; saves wait until it returns. Fails while the vault is locked, or if a store or the disk fails.
    pub fn rekey(&self, store: KeyStore) -> Result<(), RekeyError> {
        let _key_store = self.lock_key_store();
        // The key store accepts the new key only with the present counter, so every file must have that first.
        let revoked = self.report_unraised(self.complete_revocation());
        let outcome = revoked.and_then(|()| {
            let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
            rekey::run(&self.folder, keys.as_mut(), store)
        });
        // This also reads the record again, which names the new key or both.
        self.forget_obsolete_keys();
        outcome.map_err(|error| {
            if self.is_changing_key() { RekeyError::Incomplete(error) } else { RekeyError::NotStarted(error) }
        })
    }

    /// Deletes the keys that rekeys have replaced and that are still in a key store; a failure is a
    /// [problem](Self::problems). Blocks on the key stores.
    pub fn delete_replaced_keys(&self) {
        let _key_store = self.lock_key_store();
        self.forget_obsolete_keys();
    }

    fn forget_obsolete_keys(&self) {
        let error = access::forget_obsolete(self.folder.path()).err();
        if let Some(error) = &error {
            tracing::warn!(%error, "a replaced key could not be deleted from its store");
        }
        *self.undeleted_key.lock().unwrap_or_else(PoisonError::into_inner) = error;
        self.read_record_again();
    }

    fn lock_key_store(&self) -> MutexGuard<'_, ()> {
        self.key_store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets the key. Nothing can be read or saved until [`unlock`](Self::unlock).
    pub fn lock(&self) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Returns a sentence with a remedy for each file that could not be read since the start, until the user removes
    /// that file; and for a key or a counter that a key store does not let ssod change.
    pub fn problems(&self) -> Vec<String> {
        let mut set_aside = self.set_aside.lock().unwrap_or_else(PoisonError::into_inner);
        set_aside.retain(|file| file.path.exists());
        let files = set_aside.iter().map(|file| file.problem.clone());
        let undeleted = self.undeleted_key.lock().unwrap_or_else(PoisonError::into_inner);
        let undeleted = undeleted.iter().map(|error| {
            format!("A key that was replaced is still in its key store: {error}. ssod tries again at its next start")
        });
        files.chain(undeleted).chain(self.revocation_problem()).collect()
    }

    fn write(&self, name: &str, value: &impl Serialize) -> Result<(), StoreError> {
        let failed = |error: &dyn std::fmt::Display| {
            StoreError(format!("cannot write {}: {error}", self.folder.join(name).display()))
        };
        let content = Zeroizing::new(serde_json::to_vec(value).map_err(|error| failed(&error))?);
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let keys = keys.as_ref().ok_or_else(|| failed(&LOCKED))?;
        let sealed = keys.seal(name, &content).map_err(|error| failed(&error))?;
        self.folder.replace(name, &sealed).map_err(|error| failed(&error))
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
        let sealed = match self.folder.read(name) {
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
            |error: io::Error| StoreError(format!("cannot read {}: {error}", self.folder.path().display()));
        let mut records = Vec::new();
        for name in self.folder.names().map_err(unreadable)? {
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
        // The lock waits for a rekey in progress, which could otherwise write the file again.
        let _keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let file = session_file_name(name);
        self.folder.remove(&file).map_err(|error| {
            StoreError(format!("cannot remove {}: {error}", self.folder.join(&file).display()))
        })
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

#[cfg(test)]
mod tests;
