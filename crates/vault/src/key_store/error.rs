//! Why there is no key: each reason has a word of its own, and a remedy of its own.

use std::path::PathBuf;

use thiserror::Error;

use super::KeyStore;

/// Why there is no key. Its `Display` is the reason without a full stop; [`remedy`](Self::remedy) says what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyStoreError {
    /// It is there, but locked.
    #[error("the key store {0} is locked")]
    Locked(KeyStore),
    /// It is not there.
    #[error("the key store {store} is not available: {reason}")]
    Absent {
        /// Which.
        store: KeyStore,
        /// Why.
        reason: String,
    },
    /// None of those that `auto` tries is there.
    #[error("no key store is available on this machine ({0})")]
    NoneAvailable(String),
    /// It is there, but somebody or something said no.
    #[error("the key store {store} refused: {reason}")]
    Refused {
        /// Which.
        store: KeyStore,
        /// Why.
        reason: String,
    },
    /// It is there, but no longer has what it was given.
    #[error("the key store {store} does not have the key of {} any more", .folder.display())]
    Missing {
        /// Which.
        store: KeyStore,
        /// The vault's folder.
        folder: PathBuf,
    },
    /// Anything else.
    #[error("the key store {store} does not work: {reason}")]
    Broken {
        /// Which.
        store: KeyStore,
        /// Why.
        reason: String,
    },
}

impl KeyStoreError {
    /// The one word that `ssod status` shows.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Locked(_) => "locked",
            Self::Absent { .. } | Self::NoneAvailable(_) => "absent",
            Self::Refused { .. } => "refused",
            Self::Missing { .. } => "missing",
            Self::Broken { .. } => "broken",
        }
    }

    /// What to do, without a full stop.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Locked(_) => {
                "Unlock the keyring (signing in to the desktop does); ssod then goes on by itself"
            }
            Self::Absent { store: KeyStore::SecretService, .. } => {
                "Start a keyring such as gnome-keyring, or choose another [vault] key in config.toml; ssod tries again by itself"
            }
            Self::Absent { store: KeyStore::Keyutils, .. } => {
                "Start ssod from a login session (or under: keyctl session), or choose another [vault] key in config.toml"
            }
            Self::Absent { .. } => "Choose another [vault] key in config.toml",
            Self::NoneAvailable(_) => {
                "To keep the key in a file that only you can read, put key = \"file\" under [vault] in config.toml"
            }
            Self::Refused { store: KeyStore::Keyutils, .. } => {
                "End the daemon and start it from the login session that has the key (or under: keyctl session); or move the \
                 vault's folder away and sign in again"
            }
            Self::Refused { .. } => "Allow ssod to use it, then run: ssod unlock",
            Self::Missing { .. } => {
                "If another keyring program answers now, start the one that has it; if the key is lost, move that folder \
                 away and sign in again"
            }
            Self::Broken { .. } => "Mend it, then run: ssod unlock",
        }
    }
}
