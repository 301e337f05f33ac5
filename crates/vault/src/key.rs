//! The key of the vault.

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// 32 random bytes, wiped when dropped.
#[derive(Clone)]
pub struct VaultKey(Zeroizing<[u8; 32]>);

impl VaultKey {
    /// A new key from the operating system's random numbers; fails where it has none.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut())?;
        Ok(Self(bytes))
    }

    /// A key that was kept; `None` where it has not 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(Zeroizing::new(bytes)))
    }

    /// The bytes, for the key store and the cipher.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Tells keys apart without telling anything about them: it stands in each file's header, so that a
    /// wrong key and a damaged file are two different errors.
    pub fn id(&self) -> [u8; 8] {
        let digest =
            Sha256::new().chain_update(b"ssod vault key id v1").chain_update(self.0.as_ref()).finalize();
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        id
    }
}

impl fmt::Debug for VaultKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("VaultKey([redacted])")
    }
}
