//! What the keeper's changes lead to.

use ssod_vault::{KeyStore, KeyStoreError, RekeyError};

use super::state::VaultState;

/// Where the vault has a new key.
pub(crate) enum NewKey {
    /// It had none before.
    First(KeyStore),
    /// The old key is replaced.
    Replaced(KeyStore),
}

/// Why there is no new key.
pub(crate) enum RekeyFailure {
    /// The vault is not open.
    Closed(VaultState),
    /// The key store or the disk failed.
    Failed(RekeyError),
}

/// Why tokens were not revoked.
pub(crate) enum RevokeError {
    /// The vault is not open.
    Closed(VaultState),
    /// The disk failed.
    Failed(anyhow::Error),
}

/// Why an unlock was not tried.
pub(crate) enum UnlockError {
    /// The user did not prove to be present.
    NotPresent(KeyStoreError),
    /// The disk failed.
    Failed(anyhow::Error),
}
