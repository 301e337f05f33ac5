//! The states of the vault.

use ssod_broker::SealReason;
use ssod_control::VaultStatus;
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
        let word = match self {
            Self::Opening => "opening",
            Self::Open(_) => "open",
            Self::Locked => "locked",
            Self::Failed(error) => error.word(),
            Self::Broken { .. } => "broken",
        };
        let closed = self.closed_reason();
        VaultStatus {
            state: word.to_owned(),
            reason: closed.as_ref().map(|closed| closed.reason.clone()),
            hint: closed.map(|closed| closed.remedy),
        }
    }
}
