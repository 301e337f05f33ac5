//! The vault's keys while it is unlocked.

use zeroize::Zeroizing;

use crate::key::VaultKey;
use crate::seal::{OpenError, open};

/// The keys in memory.
#[derive(Debug)]
pub(super) struct Keys {
    /// The key that files are sealed under.
    pub(super) current: VaultKey,
    /// The key that some files are still sealed under, if a rekey was interrupted.
    pub(super) former: Option<VaultKey>,
}

impl Keys {
    /// Opens a file that either key sealed.
    pub(super) fn open(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        match (open(&self.current, name, sealed), &self.former) {
            (Err(OpenError::OtherKey), Some(former)) => open(former, name, sealed),
            (outcome, _) => outcome,
        }
    }
}
