//! The states of the vault.

use std::path::{Path, PathBuf};

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
    /// The vault has no key yet, and none of the stores that `auto` tries is usable: the user must choose one.
    NoKeyStore {
        /// Why none is usable, without a full stop.
        reason: String,
        /// The settings file, where the user can choose.
        settings: PathBuf,
    },
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
    /// Returns the state after a failure of the key store.
    pub(crate) fn failed(error: KeyStoreError, settings: &Path) -> Self {
        match error {
            KeyStoreError::NoneAvailable(_) => {
                Self::NoKeyStore { reason: error.to_string(), settings: settings.to_owned() }
            }
            error => Self::Failed(error),
        }
    }

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
            Self::NoKeyStore { .. } | Self::Broken { .. } => true,
            Self::Opening | Self::Open(_) | Self::Locked => false,
        }
    }

    /// Returns why it is closed; `None` while it is open or being opened.
    pub(crate) fn closed_reason(&self) -> Option<SealReason> {
        let (reason, remedy) = match self {
            Self::Opening | Self::Open(_) => return None,
            Self::Locked => return Some(locked_reason()),
            Self::NoKeyStore { reason, settings } => (reason.clone(), choose_the_file(settings)),
            Self::Failed(error) => (error.to_string(), error.remedy().to_owned()),
            Self::Broken { reason } => (reason.clone(), "Fix the cause, then run: ssod unlock".to_owned()),
        };
        Some(SealReason { reason: sentence(&reason), remedy })
    }

    /// Returns the state in the format of the control API.
    pub(crate) fn status(&self) -> VaultStatus {
        let state = match self {
            Self::Opening => VaultStateKind::Opening,
            Self::Open(_) => VaultStateKind::Open,
            Self::Locked
            | Self::Failed(KeyStoreError::Locked(_) | KeyStoreError::PasswordNotEntered { .. }) => {
                VaultStateKind::Locked
            }
            Self::Failed(KeyStoreError::Absent { .. } | KeyStoreError::NoneAvailable(_))
            | Self::NoKeyStore { .. } => VaultStateKind::Absent,
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
            needs_choice: matches!(self, Self::NoKeyStore { .. }),
        }
    }
}

/// Returns how to keep the key in a file, with the exact lines for a program that sets up machines.
fn choose_the_file(settings: &Path) -> String {
    format!(
        "To keep the key in a file that only you can read, run: ssod vault move file (or put these two lines into {}: \
         [vault] and key = \"file\")",
        settings.display()
    )
}

#[cfg(test)]
mod tests {
    use ssod_vault::MissingCause;

    use super::*;

    #[test]
    fn only_a_vault_that_has_no_key_yet_needs_a_choice() {
        let settings = Path::new("/home/a/.config/ssod/config.toml");
        let state = VaultState::failed(KeyStoreError::NoneAvailable("keyutils: no".into()), settings);
        let status = state.status();
        assert!(
            status.needs_choice && state.is_retryable() && status.state == VaultStateKind::Absent,
            "{status:?}"
        );
        let hint = status.hint.unwrap();
        for words in ["/home/a/.config/ssod/config.toml", "[vault]", "key = \"file\"", "ssod vault move file"]
        {
            assert!(hint.contains(words), "{hint}");
        }
        let absent = KeyStoreError::Absent { store: KeyStore::SecretService, reason: "no bus".into() };
        for other in [
            VaultState::failed(absent, settings),
            VaultState::failed(KeyStoreError::Locked(KeyStore::SecretService), settings),
            VaultState::Locked,
            VaultState::Opening,
            VaultState::Open(KeyStore::File),
        ] {
            assert!(!other.status().needs_choice, "{other:?}");
        }
    }

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
