//! The format of a sealed file.
//!
//! `SSODVAULT`, one version byte, eight bytes that identify the key, a 24-byte nonce, then the ciphertext of
//! XChaCha20-Poly1305. The header and the file's name are authenticated, so that a file cannot be replaced by an older
//! format version or by another file. The nonce is random: with 192 bits, a repetition is so unlikely that no counter
//! is needed.

use chacha20poly1305::aead::{Aead, AeadInPlace, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::VaultKey;

const MAGIC: &[u8; 9] = b"SSODVAULT";
/// The version that this ssod writes. Every later ssod must read it.
const VERSION: u8 = 1;
const HEADER_LEN: usize = MAGIC.len() + 1 + 8;
const NONCE_LEN: usize = 24;

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
}

/// Seals the content of the file with that name. Fails only if the system has no random numbers.
pub fn seal(key: &VaultKey, name: &str, content: &[u8]) -> Result<Vec<u8>, getrandom::Error> {
    let mut sealed = Vec::with_capacity(HEADER_LEN + NONCE_LEN + content.len() + 16);
    sealed.extend_from_slice(MAGIC);
    sealed.push(VERSION);
    sealed.extend_from_slice(&key.id());
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
pub fn open(key: &VaultKey, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (header, rest) = sealed.split_at_checked(HEADER_LEN).ok_or(OpenError::Damaged)?;
    let (magic, version_and_key) = header.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err(OpenError::Damaged);
    }
    match version_and_key[0] {
        VERSION => {}
        0 => return Err(OpenError::Damaged),
        newer => return Err(OpenError::Newer(newer)),
    }
    if version_and_key[1..] != key.id() {
        return Err(OpenError::OtherKey);
    }
    let (nonce, body) = rest.split_at_checked(NONCE_LEN).ok_or(OpenError::Damaged)?;
    cipher(key)
        .decrypt(XNonce::from_slice(nonce), Payload { msg: body, aad: &associated_data(header, name) })
        .map(Zeroizing::new)
        .map_err(|_| OpenError::Damaged)
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

    fn key(byte: u8) -> VaultKey {
        VaultKey::from_bytes(&[byte; 32]).unwrap()
    }

    #[test]
    fn a_sealed_file_opens_only_under_its_key_and_name() {
        let sealed = seal(&key(1), "a.sealed", b"secret").unwrap();
        assert_eq!(open(&key(1), "a.sealed", &sealed).unwrap().as_slice(), b"secret");
        assert_eq!(open(&key(2), "a.sealed", &sealed), Err(OpenError::OtherKey));
        assert_eq!(open(&key(1), "b.sealed", &sealed), Err(OpenError::Damaged));
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
    }

    #[test]
    fn the_first_format_stays_readable() {
        let fixture = include_bytes!("../fixtures/version-1.sealed");
        assert_eq!(open(&key(7), "fixture", fixture).unwrap().as_slice(), b"{\"kept\":\"for ever\"}");
    }

    #[test]
    fn a_newer_format_is_reported() {
        let mut sealed = seal(&key(1), "a", b"x").unwrap();
        sealed[MAGIC.len()] = 9;
        assert_eq!(open(&key(1), "a", &sealed), Err(OpenError::Newer(9)));
    }

    proptest! {
        #[test]
        fn any_altered_byte_is_detected(at in 0usize..80, flip in 1u8..) {
            let mut sealed = seal(&key(1), "a", b"some content").unwrap();
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
