//! Other systems have no Secret Service, and so no keyring that ssod can lock.

use std::time::Duration;

use super::error::KeyStoreError;

/// Fails: there is no keyring to lock.
pub fn lock_keyring() -> Result<(), KeyStoreError> {
    Err(KeyStoreError::NoDefaultKeyring)
}

/// Fails: there is no keyring to unlock.
pub fn require_keyring_password(_time_limit: Duration) -> Result<(), KeyStoreError> {
    Err(KeyStoreError::NoDefaultKeyring)
}
