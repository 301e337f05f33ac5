//! The operating system's key stores, through `keyring-core` and its store crates.
//!
//! Each call opens the store again, because a store object does not recover after its service has restarted. Each call
//! runs on its own thread, because a prompt that the user cannot see never returns.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use keyring_core::api::CredentialStore;
use keyring_core::{Entry, Error};
use zeroize::Zeroizing;

use super::encoding::{decode_stored, encode_stored};
use super::error::KeyStoreError;
use super::kind::KeyStore;
#[cfg(target_os = "linux")]
use super::secret_service_probe;
use crate::key::StoredKey;

/// The service name that a keyring program shows for the key.
const SERVICE: &str = "ssod";
/// A call without a prompt takes up to a quarter of a second. With a prompt, the user needs some time to answer it.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The number of calls that have no answer yet. Each occupies a thread, so their number is limited.
static UNANSWERED_CALLS: AtomicUsize = AtomicUsize::new(0);
const MAX_UNANSWERED_CALLS: usize = 3;

pub(super) fn load(store: KeyStore, id: &str) -> Result<Option<StoredKey>, KeyStoreError> {
    let user = user_name(id);
    with_timeout(store, move || match entry(store, &user)?.get_secret() {
        Ok(secret) => {
            let secret = Zeroizing::new(secret);
            let reason = "its entry for ssod is not a key".to_owned();
            decode_stored(&secret).map(Some).ok_or(KeyStoreError::Broken { store, reason })
        }
        Err(Error::NoEntry) => Ok(None),
        Err(error) => Err(classify(store, error)),
    })
}

pub(super) fn save(store: KeyStore, id: &str, stored: &StoredKey) -> Result<(), KeyStoreError> {
    let (user, text) = (user_name(id), encode_stored(stored));
    with_timeout(store, move || {
        entry(store, &user)?.set_secret(text.as_bytes()).map_err(|error| classify(store, error))
    })
}

pub(super) fn forget(store: KeyStore, id: &str) -> Result<(), KeyStoreError> {
    let user = user_name(id);
    with_timeout(store, move || match entry(store, &user)?.delete_credential() {
        Ok(()) | Err(Error::NoEntry) => Ok(()),
        Err(error) => Err(classify(store, error)),
    })
}

fn user_name(id: &str) -> String {
    format!("vault-key-{id}")
}

fn entry(store: KeyStore, user: &str) -> Result<Entry, KeyStoreError> {
    let opened: Arc<CredentialStore> = match store {
        #[cfg(target_os = "linux")]
        KeyStore::SecretService => {
            secret_service_probe::probe()?;
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
    opened.build(SERVICE, user, None).map_err(|error| classify(store, error))
}

fn classify(store: KeyStore, error: Error) -> KeyStoreError {
    #[cfg(target_os = "linux")]
    if let Error::NoStorageAccess(source) | Error::PlatformFailure(source) = &error
        && let Some(error) = secret_service_probe::classify_client_error(source.as_ref())
    {
        return error;
    }
    match error {
        Error::NoStorageAccess(source) => KeyStoreError::Refused { store, reason: source.to_string() },
        Error::PlatformFailure(source) => KeyStoreError::Absent { store, reason: source.to_string() },
        error => KeyStoreError::Broken { store, reason: error.to_string() },
    }
}

fn with_timeout<T: Send + 'static>(
    store: KeyStore,
    call: impl FnOnce() -> Result<T, KeyStoreError> + Send + 'static,
) -> Result<T, KeyStoreError> {
    if UNANSWERED_CALLS.fetch_add(1, Ordering::SeqCst) >= MAX_UNANSWERED_CALLS {
        UNANSWERED_CALLS.fetch_sub(1, Ordering::SeqCst);
        let reason =
            "it has not answered earlier calls; a prompt that you cannot see may be waiting".to_owned();
        return Err(KeyStoreError::Broken { store, reason });
    }
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        // After the timeout there is no receiver, and the answer is dropped.
        let _ = sender.send(call());
        UNANSWERED_CALLS.fetch_sub(1, Ordering::SeqCst);
    });
    receiver.recv_timeout(TIMEOUT).unwrap_or_else(|_| {
        let reason = format!(
            "it did not answer within {} seconds; a prompt that you cannot see may be waiting",
            TIMEOUT.as_secs()
        );
        Err(KeyStoreError::Broken { store, reason })
    })
}
