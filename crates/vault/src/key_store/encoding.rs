//! Keys as text.

use zeroize::Zeroizing;

use crate::key::{StoredKey, VaultKey};

pub(super) fn hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

/// Encodes as hex, because KDE Wallet stores only text.
pub(super) fn encode_key(key: &VaultKey) -> Zeroizing<String> {
    Zeroizing::new(hex(key.expose()))
}

pub(super) fn decode_key(text: &[u8]) -> Option<VaultKey> {
    let mut bytes = Zeroizing::new([0; 32]);
    let decoded = base16ct::lower::decode(text.trim_ascii(), bytes.as_mut()).ok()?;
    VaultKey::from_bytes(decoded)
}

/// Encodes the key and its counter as one entry, so that both change together.
pub(super) fn encode_stored(stored: &StoredKey) -> Zeroizing<String> {
    Zeroizing::new(format!("{} {}", *encode_key(&stored.key), stored.counter))
}

/// Decodes an entry. Earlier versions saved no counter.
pub(super) fn decode_stored(text: &[u8]) -> Option<StoredKey> {
    let mut words = text.trim_ascii().split(u8::is_ascii_whitespace);
    let key = decode_key(words.next()?)?;
    let counter = match words.next() {
        None => 0,
        Some(counter) => std::str::from_utf8(counter).ok()?.parse().ok()?,
    };
    words.next().is_none().then_some(StoredKey { key, counter })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_the_key_and_its_counter() {
        let key = VaultKey::from_bytes(&[7; 32]).unwrap();
        let stored = StoredKey { key: key.clone(), counter: 12 };
        let decoded = decode_stored(encode_stored(&stored).as_bytes()).unwrap();
        assert_eq!((decoded.key.expose(), decoded.counter), (key.expose(), 12));
        let of_an_earlier_version = decode_stored(encode_key(&key).as_bytes()).unwrap();
        assert_eq!((of_an_earlier_version.key.expose(), of_an_earlier_version.counter), (key.expose(), 0));
        for wrong in ["", "x", "07 1"] {
            assert!(decode_stored(wrong.as_bytes()).is_none(), "{wrong:?}");
        }
        for wrong in ["-1", "x", "1 2"] {
            let text = format!("{} {wrong}", *encode_key(&key));
            assert!(decode_stored(text.as_bytes()).is_none(), "{wrong:?}");
        }
    }
}
