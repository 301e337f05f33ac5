//! The operating system's key stores, through the keyring family of crates.
//!
//! A store is built anew for each question and asked on a thread of its own: a held store is dead for ever
//! once its service restarted, and a prompt that nobody sees never returns.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use keyring_core::api::CredentialStore;
use keyring_core::{Entry, Error};
use zeroize::Zeroizing;

use super::{Kept, KeyStore, KeyStoreError, hex, unhex};
use crate::VaultKey;

/// The name under which the keyring lists it.
const SERVICE: &str = "ssod";
/// Calls take up to a quarter of a second; a prompt that a person answers takes longer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Questions that wait for an answer, each on a thread of its own. A store that never answers is not asked for ever.
static UNANSWERED: AtomicUsize = AtomicUsize::new(0);
const MOST_UNANSWERED: usize = 3;

pub(super) fn load(store: KeyStore, id: &str) -> Result<Kept, KeyStoreError> {
    let user = user(id);
    within(store, move || match entry(store, &user)?.get_secret() {
        Ok(secret) => {
            let secret = Zeroizing::new(secret);
            let reason = "its entry for ssod is not a key".to_owned();
            unhex(&secret).map(Kept::Key).ok_or(KeyStoreError::Broken { store, reason })
        }
        Err(Error::NoEntry) => Ok(Kept::Missing),
        Err(error) => Err(classify(store, error)),
    })
}

pub(super) fn save(store: KeyStore, id: &str, key: &VaultKey) -> Result<(), KeyStoreError> {
    let (user, text) = (user(id), Zeroizing::new(hex(key.expose())));
    within(store, move || {
        entry(store, &user)?.set_secret(text.as_bytes()).map_err(|error| classify(store, error))
    })
}

pub(super) fn forget(store: KeyStore, id: &str) -> Result<(), KeyStoreError> {
    let user = user(id);
    within(store, move || match entry(store, &user)?.delete_credential() {
        Ok(()) | Err(Error::NoEntry) => Ok(()),
        Err(error) => Err(classify(store, error)),
    })
}

fn user(id: &str) -> String {
    format!("vault-key-{id}")
}

fn entry(store: KeyStore, user: &str) -> Result<Entry, KeyStoreError> {
    let built: Arc<CredentialStore> = match store {
        #[cfg(target_os = "linux")]
        KeyStore::SecretService => {
            super::secret_service_probe::probe()?;
            zbus_secret_service_keyring_store::Store::new().map_err(|error| classify(store, error))?
        }
        #[cfg(target_os = "linux")]
        KeyStore::Keyutils => {
            linux_keyutils_keyring_store::Store::new().map_err(|error| classify(store, error))?
        }
        #[cfg(target_os = "macos")]
        KeyStore::Keychain => {
            apple_native_keyring_store::keychain::Store::new().map_err(|error| classify(store, error))?
        }
        _ => {
            let reason = "this operating system has none".to_owned();
            return Err(KeyStoreError::Absent { store, reason });
        }
    };
    built.build(SERVICE, user, None).map_err(|error| classify(store, error))
}

fn classify(store: KeyStore, error: Error) -> KeyStoreError {
    #[cfg(target_os = "linux")]
    if let Error::NoStorageAccess(source) | Error::PlatformFailure(source) = &error
        && let Some(error) = super::secret_service_probe::classify_client_error(source.as_ref())
    {
        return error;
    }
    match error {
        Error::NoStorageAccess(source) => KeyStoreError::Refused { store, reason: source.to_string() },
        Error::PlatformFailure(source) => KeyStoreError::Absent { store, reason: source.to_string() },
        error => KeyStoreError::Broken { store, reason: error.to_string() },
    }
}

fn within<T: Send + 'static>(
    store: KeyStore,
    ask: impl FnOnce() -> Result<T, KeyStoreError> + Send + 'static,
) -> Result<T, KeyStoreError> {
    if UNANSWERED.fetch_add(1, Ordering::SeqCst) >= MOST_UNANSWERED {
        UNANSWERED.fetch_sub(1, Ordering::SeqCst);
        let reason = "it has not answered earlier questions; a prompt may be waiting unseen".to_owned();
        return Err(KeyStoreError::Broken { store, reason });
    }
    let (answer, answered) = mpsc::channel();
    std::thread::spawn(move || {
        // Nobody listens any more when it comes too late.
        let _ = answer.send(ask());
        UNANSWERED.fetch_sub(1, Ordering::SeqCst);
    });
    answered.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        let reason = format!(
            "it did not answer within {} seconds; a prompt may be waiting unseen",
            PATIENCE.as_secs()
        );
        Err(KeyStoreError::Broken { store, reason })
    })
}
