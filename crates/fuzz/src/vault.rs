//! Sealed files: their header, and the record that they contain.

use std::fs;

use ssod_model::SecretStore;
use ssod_vault::{FoundKey, KeyStore, StoredKey, Vault, VaultKey, open, seal};

fn key() -> VaultKey {
    VaultKey::from_bytes(&[7; 32]).unwrap()
}

fn found() -> FoundKey {
    FoundKey { current: StoredKey { key: key(), counter: 1 }, former: None, store: KeyStore::File }
}

/// Checks that a file opens only if it was sealed under this key and with this name.
pub(crate) fn check_header(data: &[u8]) {
    if let Ok(opened) = open(&key(), "fixture", data) {
        // Only the fixtures of the corpus are sealed under this key.
        assert_eq!(opened.content.as_slice(), b"{\"kept\":\"for ever\"}");
    }
    let sealed = seal(&key(), 3, "name", data).unwrap();
    let opened = open(&key(), "name", &sealed).unwrap();
    assert_eq!((opened.content.as_slice(), opened.counter), (data, 3));
    assert!(open(&key(), "other", &sealed).is_err());
}

/// Checks that a sealed file is a valid record, or is set aside with a problem that describes it, and that no file is
/// deleted.
pub(crate) fn check_record(data: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::new(folder.path()).unwrap();
    vault.unlock(found());
    let names = ["session-00.sealed", "role-credentials.sealed", "endpoint-tokens.sealed"];
    for name in names {
        fs::write(folder.path().join(name), seal(&key(), 1, name, data).unwrap()).unwrap();
    }
    let sessions = vault.load_sessions().unwrap();
    let credentials = vault.load_credentials().unwrap();
    let tokens = vault.load_endpoint_tokens().unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), names.len(), "a file was deleted");
    for problem in vault.problems() {
        assert!(problem.contains("was kept as"), "{problem}");
    }
    // Records do not change when they are written and read again.
    for session in &sessions {
        vault.save_session(session).unwrap();
    }
    vault.save_credentials(&credentials).unwrap();
    vault.save_endpoint_tokens(&tokens).unwrap();
    assert_eq!(vault.load_credentials().unwrap(), credentials);
    assert_eq!(vault.load_endpoint_tokens().unwrap(), tokens);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// If the corpus had no valid records, the check would only see files that are set aside.
    #[test]
    fn the_corpus_has_valid_records() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::new(folder.path()).unwrap();
        vault.unlock(found());
        let write_sealed = |name: &str, data: &[u8]| {
            fs::write(folder.path().join(name), seal(&key(), 1, name, data).unwrap()).unwrap();
        };
        write_sealed("session-00.sealed", include_bytes!("../corpus/vault_record/session"));
        write_sealed("role-credentials.sealed", include_bytes!("../corpus/vault_record/credentials"));
        assert_eq!((vault.load_sessions().unwrap().len(), vault.load_credentials().unwrap().len()), (1, 1));
    }
}
