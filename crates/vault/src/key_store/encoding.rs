//! Keys as text.

use zeroize::Zeroizing;

use crate::key::VaultKey;

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
