//! The folder of sealed files.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use atomic_write_file::AtomicWriteFile;
use atomic_write_file::unix::OpenOptionsExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use ssod_model::{CachedCredentials, EndpointTokens, SecretStore, SessionName, SessionRecord, StoreError};
use zeroize::Zeroizing;

use crate::record::{CredentialsFile, EndpointTokensFile, SessionFile};
use crate::{VaultKey, open, seal};

const SESSION_PREFIX: &str = "session-";
const SUFFIX: &str = ".sealed";
const CREDENTIALS: &str = "role-credentials.sealed";
const ENDPOINT_TOKENS: &str = "endpoint-tokens.sealed";
/// Ten thousand cached credentials have about 20 MB.
const FILE_CAP: u64 = 256 * 1024 * 1024;

/// The sealed files of one user, and the key to them.
#[derive(Debug)]
pub struct Vault {
    folder: PathBuf,
    key: VaultKey,
    problems: Mutex<Vec<String>>,
}

impl Vault {
    /// Opens the folder, making it (0700) where there is none. Files are read when they are asked for.
    pub fn open(folder: &Path, key: VaultKey) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        Ok(Self { folder: folder.to_owned(), key, problems: Mutex::default() })
    }

    /// What could not be read since the start, each a sentence with its remedy.
    pub fn problems(&self) -> Vec<String> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn write(&self, name: &str, value: &impl Serialize) -> Result<(), StoreError> {
        let failed = |error: &dyn std::fmt::Display| {
            StoreError(format!("cannot write {}: {error}", self.folder.join(name).display()))
        };
        let content = Zeroizing::new(serde_json::to_vec(value).map_err(|error| failed(&error))?);
        let sealed = seal(&self.key, name, &content).map_err(|error| failed(&error))?;
        let replace = || {
            let mut file =
                AtomicWriteFile::options().preserve_mode(false).mode(0o600).open(self.folder.join(name))?;
            file.write_all(&sealed)?;
            file.commit()
        };
        replace().map_err(|error: io::Error| failed(&error))
    }

    /// The content of a file: `None` where there is none, or where it does not open and was set aside.
    fn read<F: DeserializeOwned, T: TryFrom<F>>(&self, name: &str) -> Result<Option<T>, StoreError>
    where
        T::Error: std::fmt::Display,
    {
        let path = self.folder.join(name);
        let sealed = match read_bounded(&path) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError(format!("cannot read {}: {error}", path.display()))),
        };
        let content = match open(&self.key, name, &sealed) {
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
        self.problems.lock().unwrap_or_else(PoisonError::into_inner).push(problem);
        Ok(None)
    }
}

impl SecretStore for Vault {
    fn load_sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        let unreadable = |error| StoreError(format!("cannot read {}: {error}", self.folder.display()));
        let mut records = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.starts_with(SESSION_PREFIX) && name.ends_with(SUFFIX) {
                records.extend(self.read::<SessionFile, SessionRecord>(name)?);
            }
        }
        Ok(records)
    }

    fn save_session(&self, record: &SessionRecord) -> Result<(), StoreError> {
        self.write(&session_file(&record.name), &SessionFile::from(record))
    }

    fn forget_session(&self, name: &SessionName) -> Result<(), StoreError> {
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
