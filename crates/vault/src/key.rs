//! The key of the vault.

use std::fmt;
use std::sync::Arc;

use region::LockGuard;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

const KEY_LEN: usize = 32;

/// 32 random bytes, wiped when dropped, in memory that is never written to swap if the system allows that. Clones share
/// the same memory.
#[derive(Clone)]
pub struct VaultKey(Arc<KeyMemory>);

/// A page of memory that contains only the key. The system locks and unlocks whole pages, so unlocking another key on
/// the same page would unlock this one, too.
#[cfg_attr(target_arch = "x86_64", repr(align(4096)))]
#[cfg_attr(not(target_arch = "x86_64"), repr(align(65536)))]
struct KeyPage([u8; KEY_LEN]);

struct KeyMemory {
    page: Box<KeyPage>,
    /// `None` if the user's limit of locked memory is used up.
    locked: Option<LockGuard>,
}

impl Drop for KeyMemory {
    fn drop(&mut self) {
        // Wipe the key while its memory is still locked.
        self.page.0.zeroize();
        drop(self.locked.take());
    }
}

impl VaultKey {
    /// Generates a key from the operating system's random numbers; fails if it has none.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; KEY_LEN]);
        getrandom::fill(bytes.as_mut())?;
        Ok(Self::from_array(&bytes))
    }

    /// Restores a stored key; `None` unless it has 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_array)
    }

    fn from_array(bytes: &[u8; KEY_LEN]) -> Self {
        let mut page = Box::new(KeyPage([0; KEY_LEN]));
        let locked = region::lock(&raw const *page, size_of::<KeyPage>()).ok();
        page.0.copy_from_slice(bytes);
        Self(Arc::new(KeyMemory { page, locked }))
    }

    /// Returns whether the system never writes the key to swap.
    pub fn is_locked_in_memory(&self) -> bool {
        self.0.locked.is_some()
    }

    /// Returns the bytes, for the key store and the cipher.
    pub fn expose(&self) -> &[u8; KEY_LEN] {
        &self.0.page.0
    }

    /// Returns an id that reveals nothing about the key. Each file's header contains it, so that a wrong key and a
    /// damaged file are different errors.
    pub fn id(&self) -> [u8; 8] {
        let digest =
            Sha256::new().chain_update(b"ssod vault key id v1").chain_update(self.expose()).finalize();
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        id
    }
}

/// A key as its store has it.
#[derive(Clone, Debug)]
pub struct StoredKey {
    /// The key.
    pub key: VaultKey,
    /// The lowest counter of the files that are accepted under the key. It is raised when something is revoked, so a
    /// copy from before that cannot be put back. 0 for a key that an earlier version saved, which had no counter.
    pub counter: u64,
}

impl fmt::Debug for VaultKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("VaultKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns how much of the mapping at that address the kernel has locked.
    #[cfg(target_os = "linux")]
    fn locked_kilobytes(address: usize) -> Option<u64> {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut inside = false;
        for line in maps.lines() {
            let range = line.split_whitespace().next().and_then(|first| first.split_once('-'));
            let range = range.and_then(|(start, end)| {
                Some((usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
            });
            if let Some((start, end)) = range {
                inside = (start..end).contains(&address);
            } else if let Some(rest) = line.strip_prefix("Locked:").filter(|_| inside) {
                return rest.trim().trim_end_matches(" kB").parse().ok();
            }
        }
        None
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_key_is_in_locked_memory() {
        let key = VaultKey::from_bytes(&[7; 32]).unwrap();
        assert!(key.is_locked_in_memory());
        let address = key.expose().as_ptr().addr();
        assert!(locked_kilobytes(address).is_some_and(|locked| locked >= 4));
        let copy = key.clone();
        assert_eq!(copy.expose().as_ptr().addr(), address, "a clone shares the memory");
    }

    #[test]
    fn debug_output_never_contains_the_key() {
        assert_eq!(
            format!("{:?}", VaultKey::from_bytes(b"0123456789abcdef0123456789abcdef")),
            "Some(VaultKey([redacted]))"
        );
    }
}
