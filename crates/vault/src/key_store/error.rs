//! Why the vault's key is not available. Each reason has its own remedy.

use std::path::PathBuf;

use thiserror::Error;

use super::kind::KeyStore;

/// Why the vault's key is not available. `Display` is the reason without a full stop; [`remedy`](Self::remedy) is what
/// the user can do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyStoreError {
    /// The store is available, but locked.
    #[error("the key store {0} is locked")]
    Locked(KeyStore),
    /// The store is not available.
    #[error("the key store {store} is not available: {reason}")]
    Absent {
        /// The store.
        store: KeyStore,
        /// Why it is not available.
        reason: String,
    },
    /// The Secret Service has no keyring to save a key in, and no key of this vault was saved there before.
    #[error("the Secret Service runs, but it has no default keyring")]
    NoDefaultKeyring,
    /// None of the stores that `auto` tries is usable.
    #[error("no key store is available on this machine ({0})")]
    NoneAvailable(String),
    /// The store, a policy or the user refused access.
    #[error("the key store {store} refused: {reason}")]
    Refused {
        /// The store.
        store: KeyStore,
        /// Why it refused.
        reason: String,
    },
    /// The user did not enter the keyring's password when ssod required it.
    #[error("the keyring's password was not entered: {reason}")]
    PasswordNotEntered {
        /// Why, without a full stop.
        reason: String,
    },
    /// The store does not have a key that was saved there.
    #[error("the key store {store} does not have the key of {} any more{}", .folder.display(), .cause.detail())]
    Missing {
        /// The store.
        store: KeyStore,
        /// The vault's folder.
        folder: PathBuf,
        /// What the store has lost.
        cause: MissingCause,
    },
    /// Anything else.
    #[error("the key store {store} does not work: {reason}")]
    Broken {
        /// The store.
        store: KeyStore,
        /// What failed.
        reason: String,
    },
}

/// What a key store has lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingCause {
    /// Only the entry of the key.
    Entry,
    /// The whole default keyring. It may only be closed: KeePassXC has none until a database is open.
    DefaultKeyring,
}

impl MissingCause {
    /// Returns the end of the error message.
    fn detail(self) -> &'static str {
        match self {
            Self::Entry => "",
            Self::DefaultKeyring => ": it has no default keyring",
        }
    }
}

impl KeyStoreError {
    /// Returns whether trying again without the user can succeed. Retrying a store that refused would only show the
    /// user more prompts, and a lost entry does not come back. A default keyring can come back, and checking for it
    /// never prompts.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Locked(_)
            | Self::Absent { .. }
            | Self::NoDefaultKeyring
            | Self::NoneAvailable(_)
            | Self::Missing { cause: MissingCause::DefaultKeyring, .. }
            | Self::Broken { .. } => true,
            Self::Refused { .. }
            | Self::PasswordNotEntered { .. }
            | Self::Missing { cause: MissingCause::Entry, .. } => false,
        }
    }

    /// Returns what the user can do, without a full stop.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Locked(_) => {
                "Unlock the keyring (logging in to the desktop does so); ssod then continues automatically"
            }
            Self::Absent { store: KeyStore::SecretService, .. } => {
                "Start a keyring such as gnome-keyring, or choose another [vault] key in config.toml; ssod retries \
                 automatically"
            }
            Self::Absent { store: KeyStore::Keyutils, .. } => {
                "Start ssod from a login session (or under: keyctl session), or choose another [vault] key in \
                 config.toml"
            }
            Self::Absent { .. } => "Choose another [vault] key in config.toml",
            Self::NoDefaultKeyring => {
                "Create a default keyring (log in to the desktop, or use seahorse), or choose another [vault] key in \
                 config.toml; ssod retries automatically"
            }
            Self::NoneAvailable(_) => "Choose a key store: ssod vault move file",
            Self::Refused { store: KeyStore::Keyutils, .. } => {
                "End the daemon and start it from the login session that has the key (or under: keyctl session); or \
                 move the vault's folder away and sign in again"
            }
            Self::Refused { .. } => "Allow ssod to use it, then run: ssod unlock",
            Self::PasswordNotEntered { .. } => {
                "Run ssod unlock in a desktop session and enter the password, or unlock the keyring first"
            }
            Self::Missing { cause: MissingCause::Entry, .. } => {
                "If another keyring program is running now, start the one that has the key; if the key is lost, or the \
                 folder is an older copy, move that folder away and sign in again"
            }
            Self::Missing { cause: MissingCause::DefaultKeyring, .. } => {
                "If the keyring still exists, open it (log in to the desktop, or start its program); ssod retries \
                 automatically. If the key is lost, move that folder away and sign in again"
            }
            Self::Broken { .. } => "Fix the cause, then run: ssod unlock",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(cause: MissingCause) -> KeyStoreError {
        KeyStoreError::Missing { store: KeyStore::SecretService, folder: "/vault".into(), cause }
    }

    #[test]
    fn a_store_that_refused_or_lost_the_key_is_not_retried() {
        let refused = KeyStoreError::Refused { store: KeyStore::Keychain, reason: "denied".into() };
        assert!(!refused.is_retryable());
        assert!(!missing(MissingCause::Entry).is_retryable());
        assert!(KeyStoreError::Locked(KeyStore::SecretService).is_retryable());
        assert!(KeyStoreError::NoDefaultKeyring.is_retryable());
    }

    #[test]
    fn a_key_that_is_missing_with_its_keyring_can_come_back() {
        let error = missing(MissingCause::DefaultKeyring);
        assert!(error.is_retryable());
        assert_eq!(
            error.to_string(),
            "the key store secret-service does not have the key of /vault any more: it has no default keyring"
        );
    }
}
