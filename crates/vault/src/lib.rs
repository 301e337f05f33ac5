//! The secrets that ssod stores on disk: one sealed file per session, one for the cached role credentials and one for
//! the endpoint's tokens, all sealed under one key, which is in the operating system's keyring.

mod interruption;
mod key;
mod key_store;
mod record;
mod seal;
mod vault;

pub use key::{StoredKey, VaultKey};
pub use key_store::error::{KeyStoreError, MissingCause};
pub use key_store::find::{FoundKey, find_or_create_key};
pub use key_store::kind::{KeyStore, KeyStoreChoice};
#[cfg(not(target_os = "linux"))]
pub use key_store::no_presence::{lock_keyring, require_keyring_password};
#[cfg(target_os = "linux")]
pub use key_store::presence::{lock_keyring, require_keyring_password};
pub use seal::{OpenError, Opened, open, seal};
pub use vault::Vault;
pub use vault::rekey::RekeyError;
