//! The secrets that ssod stores on disk: one sealed file per session, one for the cached role credentials and one for
//! the endpoint's tokens, all sealed under one key, which is in the operating system's keyring.

mod key;
mod key_store;
mod record;
mod seal;
mod vault;

pub use key::VaultKey;
pub use key_store::error::{KeyStoreError, MissingCause};
pub use key_store::find::{FoundKey, find_or_create_key};
pub use key_store::kind::{KeyStore, KeyStoreChoice};
pub use seal::{OpenError, open, seal};
pub use vault::Vault;
pub use vault::rekey::RekeyError;
