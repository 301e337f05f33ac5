//! The format of a sealed file.
//!
//! `SSODVAULT`, one version byte, eight bytes that identify the key, eight bytes with the vault's counter at that time,
//! a 24-byte nonce, then the ciphertext of XChaCha20-Poly1305. The header and the file's name are authenticated, so that
//! a file cannot be replaced by an older format version or by another file, and its counter cannot be changed. The nonce
//! is random: with 192 bits, a repetition is so unlikely that it needs no counter of its own.
//!
//! Version 1 had no counter; such a file counts as older than all others.

use chacha20poly1305::aead::{Aead, AeadInPlace, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::VaultKey;

const MAGIC: &[u8; 9] = b"SSODVAULT";
/// The version without a counter.
const VERSION_1: u8 = 1;
/// The version that this ssod writes. Every later ssod must read it.
const VERSION: u8 = 2;
const KEY_ID_END: usize = MAGIC.len() + 1 + 8;
/// The length of the header.
pub(crate) const HEADER_LEN: usize = KEY_ID_END + 8;
const NONCE_LEN: usize = 24;

/// The content of a sealed file.
#[derive(Debug, PartialEq, Eq)]
pub struct Opened {
    /// What was sealed.
    pub content: Zeroizing<Vec<u8>>,
    /// The vault's counter when it was sealed.
    pub counter: u64,
}

/// Why a sealed file does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum OpenError {
    /// It is not a sealed file, or it was truncated or altered.
    #[error("it is damaged")]
    Damaged,
    /// It was sealed under another key.
    #[error("it was sealed under another key than the one in the key store")]
    OtherKey,
    /// It was written by a newer ssod.
    #[error("it was written by a newer ssod (format {0})")]
    Newer(u8),
    /// It was sealed before the last revocation.
    #[error(
        "it is from before the last sign-out or revocation, so it was put back from a copy or a backup, and ssod does \
         not use it"
    )]
    Older,
}

/// Seals the content of the file with that name. Fails only if the system has no random numbers.
pub fn seal(key: &VaultKey, counter: u64, name: &str, content: &[u8]) -> Result<Vec<u8>, getrandom::Error> {
    let mut sealed = Vec::with_capacity(HEADER_LEN + NONCE_LEN + content.len() + 16);
    sealed.extend_from_slice(MAGIC);
    sealed.push(VERSION);
    sealed.extend_from_slice(&key.id());
    sealed.extend_from_slice(&counter.to_be_bytes());
    let mut nonce = [0; NONCE_LEN];
    getrandom::fill(&mut nonce)?;
    let aad = associated_data(&sealed, name);
    sealed.extend_from_slice(&nonce);
    let body = sealed.len();
    sealed.extend_from_slice(content);
    // Encrypts in place, because the cache of ten thousand credentials is large.
    let tag = cipher(key)
        .encrypt_in_place_detached(XNonce::from_slice(&nonce), &aad, &mut sealed[body..])
        .unwrap_or_else(|_| unreachable!("XChaCha20-Poly1305 accepts any content below 256 GiB"));
    sealed.extend_from_slice(&tag);
    Ok(sealed)
}

/// Opens what [`seal`] returned for that name.
pub fn open(key: &VaultKey, name: &str, sealed: &[u8]) -> Result<Opened, OpenError> {
    let header = Header::read(sealed)?;
    if header.key_id != key.id() {
        return Err(OpenError::OtherKey);
    }
    let (header_bytes, rest) = sealed.split_at_checked(header.length()).ok_or(OpenError::Damaged)?;
    let (nonce, body) = rest.split_at_checked(NONCE_LEN).ok_or(OpenError::Damaged)?;
    let aad = associated_data(header_bytes, name);
    let content = cipher(key)
        .decrypt(XNonce::from_slice(nonce), Payload { msg: body, aad: &aad })
        .map_err(|_| OpenError::Damaged)?;
    Ok(Opened { content: Zeroizing::new(content), counter: header.counter.unwrap_or_default() })
}

/// The parts of a header after its magic bytes.
struct Header {
    key_id: [u8; 8],
    /// `None` in version 1.
    counter: Option<u64>,
}

impl Header {
    fn read(sealed: &[u8]) -> Result<Self, OpenError> {
        let rest = sealed.strip_prefix(MAGIC).ok_or(OpenError::Damaged)?;
        let (version, rest) = rest.split_first().ok_or(OpenError::Damaged)?;
        let (key_id, rest) = rest.split_first_chunk::<8>().ok_or(OpenError::Damaged)?;
        let counter = match *version {
            0 => return Err(OpenError::Damaged),
            VERSION_1 => None,
            VERSION => {
                let (counter, _) = rest.split_first_chunk::<8>().ok_or(OpenError::Damaged)?;
                Some(u64::from_be_bytes(*counter))
            }
            newer => return Err(OpenError::Newer(newer)),
        };
        Ok(Self { key_id: *key_id, counter })
    }

    fn length(&self) -> usize {
        if self.counter.is_some() { HEADER_LEN } else { KEY_ID_END }
    }
}

/// Returns the counter that the beginning of a sealed file shows; `None` if it is not sealed under that key. The
/// counter is not authenticated until the file is opened.
pub(crate) fn shown_counter(key: &VaultKey, beginning: &[u8]) -> Option<u64> {
    let header = Header::read(beginning).ok().filter(|header| header.key_id == key.id())?;
    Some(header.counter.unwrap_or_default())
}

fn cipher(key: &VaultKey) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.expose().into())
}

fn associated_data(header: &[u8], name: &str) -> Vec<u8> {
    [header, name.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEPT: &[u8] = b"{\"kept\":\"for ever\"}";

    fn key(byte: u8) -> VaultKey {
        VaultKey::from_bytes(&[byte; 32]).unwrap()
    }

    #[test]
    fn a_sealed_file_opens_only_under_its_key_and_name() {
        let sealed = seal(&key(1), 5, "a.sealed", b"secret").unwrap();
        let opened = open(&key(1), "a.sealed", &sealed).unwrap();
        assert_eq!((opened.content.as_slice(), opened.counter), (b"secret".as_slice(), 5));
        assert_eq!(shown_counter(&key(1), &sealed[..HEADER_LEN]), Some(5));
        assert_eq!(open(&key(2), "a.sealed", &sealed), Err(OpenError::OtherKey));
        assert_eq!(open(&key(1), "b.sealed", &sealed), Err(OpenError::Damaged));
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
    }

    #[test]
    fn the_first_format_stays_readable() {
        let fixture = include_bytes!("../fixtures/version-1.sealed");
        let opened = open(&key(7), "fixture", fixture).unwrap();
        assert_eq!((opened.content.as_slice(), opened.counter), (KEPT, 0));
    }

    #[test]
    fn the_second_format_stays_readable() {
        let fixture = include_bytes!("../fixtures/version-2.sealed");
        let opened = open(&key(7), "fixture", fixture).unwrap();
        assert_eq!((opened.content.as_slice(), opened.counter), (KEPT, 9));
    }

    #[test]
    fn a_newer_format_is_reported() {
        let mut sealed = seal(&key(1), 0, "a", b"x").unwrap();
        sealed[MAGIC.len()] = 9;
        assert_eq!(open(&key(1), "a", &sealed), Err(OpenError::Newer(9)));
    }

    proptest! {
        #[test]
        fn any_altered_byte_is_detected(at in 0usize..120, flip in 1u8..) {
            let mut sealed = seal(&key(1), 3, "a", b"some content").unwrap();
            let at = at % sealed.len();
            sealed[at] ^= flip;
            prop_assert!(open(&key(1), "a", &sealed).is_err());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            prop_assert!(open(&key(1), "a", &bytes).is_err());
        }
    }
}
