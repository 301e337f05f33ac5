//! The key stores that ssod knows.

use std::fmt;
use std::str::FromStr;

/// Where a key can be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStore {
    /// The Secret Service of a desktop (GNOME Keyring, KDE Wallet, KeePassXC).
    SecretService,
    /// The kernel's keyring: in memory only, lost at reboot.
    Keyutils,
    /// The macOS keychain.
    Keychain,
    /// A file in the vault's folder (0600): protects only copies of the sealed files without the key file.
    File,
}

impl KeyStore {
    pub(super) const ALL: [Self; 4] = [Self::SecretService, Self::Keyutils, Self::Keychain, Self::File];

    /// The stores that `auto` tries, in order. The file is not one of them: only the user may choose it.
    pub(super) const AUTO: &[Self] =
        if cfg!(target_os = "macos") { &[Self::Keychain] } else { &[Self::SecretService, Self::Keyutils] };

    /// Returns the store's name in `config.toml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SecretService => "secret-service",
            Self::Keyutils => "keyutils",
            Self::Keychain => "keychain",
            Self::File => "file",
        }
    }

    /// Returns whether ssod can lock the store, so that only its password opens it again.
    pub fn has_password(self) -> bool {
        self == Self::SecretService
    }

    /// Returns whether losing a key is normal for the store: a reboot clears the kernel's keyring, and the user may
    /// remove a file.
    pub(super) fn may_lose_keys(self) -> bool {
        matches!(self, Self::Keyutils | Self::File)
    }
}

impl fmt::Display for KeyStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The setting `[vault] key`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyStoreChoice {
    /// The first store that is usable. The key then stays there.
    #[default]
    Auto,
    /// This store.
    Only(KeyStore),
}

impl KeyStoreChoice {
    /// Returns all choices, `auto` first.
    pub fn all() -> [Self; 5] {
        let [first, second, third, fourth] = KeyStore::ALL.map(Self::Only);
        [Self::Auto, first, second, third, fourth]
    }

    /// Returns the choice's name in `config.toml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Only(store) => store.as_str(),
        }
    }
}

impl FromStr for KeyStoreChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::all().into_iter().find(|choice| choice.as_str() == text).ok_or_else(|| {
            format!("{text:?} is not a key store: auto, secret-service, keyutils, keychain or file")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_the_names_of_key_stores() {
        assert_eq!("auto".parse(), Ok(KeyStoreChoice::Auto));
        assert_eq!("file".parse(), Ok(KeyStoreChoice::Only(KeyStore::File)));
        assert!("floppy".parse::<KeyStoreChoice>().unwrap_err().contains("secret-service"));
    }
}
