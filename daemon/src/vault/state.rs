//! The states of the vault.

use ssod_broker::SealReason;
use ssod_control::{VaultStateKind, VaultStatus};
use ssod_vault::{KeyStore, KeyStoreError};

use crate::sentence::sentence;

/// The state of the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum VaultState {
    /// The key is not known yet.
    Opening,
    /// The key is known; it is in that store.
    Open(KeyStore),
    /// The user locked it, or it was idle for too long.
    Locked,
    /// The key is not available.
    Failed(KeyStoreError),
    /// The key is available, but the vault's files cannot be used.
    Broken {
        /// Why, without a full stop.
        reason: String,
    },
}

/// Returns the reason and the remedy that the user reads while ssod is locked.
pub(crate) fn locked_reason() -> SealReason {
    SealReason { reason: "ssod is locked.".to_owned(), remedy: "Run: ssod unlock".to_owned() }
}

impl VaultState {
    /// Returns whether everything can be read and saved.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    /// Returns where the key is, if the vault is open.
    pub(crate) fn key_store(&self) -> Option<KeyStore> {
        match self {
            Self::Open(store) => Some(*store),
            _ => None,
        }
    }

    /// Returns whether another attempt to open it can succeed without the user.
    pub(crate) fn is_retryable(&self) -> bool {
        match self {
            Self::Failed(error) => error.is_retryable(),
            Self::Broken { .. } => true,
            Self::Opening | Self::Open(_) | Self::Locked => false,
        }
    }

    /// Returns why it is closed; `None` while it is open or being opened.
    pub(crate) fn closed_reason(&self) -> Option<SealReason> {
        let (reason, remedy) = match self {
            Self::Opening | Self::Open(_) => return None,
            Self::Locked => return Some(locked_reason()),
            Self::Failed(error) => (error.to_string(), error.remedy()),
            Self::Broken { reason } => (reason.clone(), "Fix the cause, then run: ssod unlock"),
        };
        Some(SealReason { reason: sentence(&reason), remedy: remedy.to_owned() })
    }

    /// Returns the state in the format of the control API.
    pub(crate) fn status(&self) -> VaultStatus {
        let state = match self {
            Self::Opening => VaultStateKind::Opening,
            Self::Open(_) => VaultStateKind::Open,
            Self::Locked | Self::Failed(KeyStoreError::Locked(_)) => VaultStateKind::Locked,
            Self::Failed(KeyStoreError::Absent { .. } | KeyStoreError::NoneAvailable(_)) => {
                VaultStateKind::Absent
            }
            Self::Failed(KeyStoreError::NoDefaultKeyring) => VaultStateKind::NoDefaultKeyring,
            Self::Failed(KeyStoreError::Refused { .. }) => VaultStateKind::Refused,
            Self::Failed(KeyStoreError::Missing { .. }) => VaultStateKind::Missing,
            Self::Failed(KeyStoreError::Broken { .. }) | Self::Broken { .. } => VaultStateKind::Broken,
        };
        let closed = self.closed_reason();
        VaultStatus {
            state,
            reason: closed.as_ref().map(|closed| closed.reason.clone()),
            hint: closed.map(|closed| closed.remedy),
        }
    }
}

#[cfg(test)]
mod tests {
    use ssod_vault::MissingCause;

    use super::*;

    #[test]
    fn each_reason_why_the_key_is_not_available_has_its_kind() {
        let (store, reason) = (KeyStore::SecretService, String::new);
        let missing = |cause| KeyStoreError::Missing { store, folder: "/vault".into(), cause };
        for (error, kind) in [
            (KeyStoreError::Locked(store), VaultStateKind::Locked),
            (KeyStoreError::Absent { store, reason: reason() }, VaultStateKind::Absent),
            (KeyStoreError::NoneAvailable(reason()), VaultStateKind::Absent),
            (KeyStoreError::NoDefaultKeyring, VaultStateKind::NoDefaultKeyring),
            (KeyStoreError::Refused { store, reason: reason() }, VaultStateKind::Refused),
            (missing(MissingCause::Entry), VaultStateKind::Missing),
            (missing(MissingCause::DefaultKeyring), VaultStateKind::Missing),
            (KeyStoreError::Broken { store, reason: reason() }, VaultStateKind::Broken),
        ] {
            assert_eq!(VaultState::Failed(error).status().state, kind);
        }
    }
}
