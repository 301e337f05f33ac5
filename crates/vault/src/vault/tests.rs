use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use ssod_model::{
    ClientRegistration, Destinations, ProfileName, Region, RoleCredentials, RoleId, Secret, SessionTokens,
    SignInFlow, StartUrl, Timestamp,
};

use super::*;
use crate::key::VaultKey;
use crate::seal::{OpenError, open};
use crate::{KeyStore, KeyStoreChoice, find_or_create_key};

fn key(byte: u8) -> VaultKey {
    VaultKey::from_bytes(&[byte; 32]).expect("32 bytes")
}

fn unlocked(folder: &Path, key: VaultKey) -> Vault {
    let vault = Vault::new(folder).unwrap();
    vault.unlock(FoundKey { key, former: None, store: KeyStore::File });
    vault
}

fn record() -> SessionRecord {
    let client = ClientRegistration {
        client_id: "id".into(),
        client_secret: Secret::new("MARKER-client".into()),
        expires_at: Timestamp::from_second(9_000_000).unwrap(),
    };
    SessionRecord {
        name: SessionName::parse("work / odd 'name'").unwrap(),
        start_url: StartUrl::parse("https://x.awsapps.com/start").unwrap(),
        region: Region::parse("us-east-1").unwrap(),
        destinations: Destinations {
            oidc: Some("https://test.example".to_owned()),
            portal: None,
            profile_portals: BTreeSet::from(["https://own.example".to_owned()]),
        },
        registrations: BTreeMap::from([(SignInFlow::Browser, client.clone())]),
        signed_in_at: Some(Timestamp::from_second(1_800_000_000).unwrap()),
        tokens: Some(SessionTokens {
            access_token: Secret::new("MARKER-access".into()),
            issued_at: Timestamp::from_second(1_000).unwrap(),
            expires_at: Timestamp::from_second(4_600).unwrap(),
            refresh_token: Some(Secret::new("MARKER-refresh".into())),
            client,
        }),
    }
}

fn credentials() -> Vec<CachedCredentials> {
    vec![CachedCredentials {
        profile: ProfileName::parse("adminUser").unwrap(),
        session: SessionName::parse("s").unwrap(),
        role: RoleId::parse("123456789012/AdminRole through s").unwrap(),
        credentials: Arc::new(RoleCredentials {
            access_key_id: "ASIA".into(),
            secret_access_key: Secret::new("MARKER-secret".into()),
            session_token: Secret::new("MARKER-session".into()),
            issued_at: Timestamp::from_second(1_000).unwrap(),
            expiration: Timestamp::from_second(4_600).unwrap(),
        }),
        last_used: Some(Timestamp::from_second(1_001).unwrap()),
    }]
}

#[test]
fn saved_secrets_survive_a_restart_and_are_unreadable_to_other_users() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault");
    let vault = unlocked(&path, key(1));
    vault.save_session(&record()).unwrap();
    vault.save_credentials(&credentials()).unwrap();
    let again = unlocked(&path, key(1));
    assert_eq!(again.load_sessions().unwrap(), [record()]);
    assert_eq!(again.load_credentials().unwrap(), credentials());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    for entry in fs::read_dir(&path).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{path:?}");
        let bytes = fs::read(&path).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"MARKER"), "{path:?}");
    }
    again.forget_session(&record().name).unwrap();
    again.forget_session(&record().name).unwrap();
    assert_eq!(again.load_sessions().unwrap(), []);
}

#[test]
fn a_file_under_another_key_is_set_aside_and_reported_never_deleted() {
    let folder = tempfile::tempdir().unwrap();
    unlocked(folder.path(), key(1)).save_session(&record()).unwrap();
    let other = unlocked(folder.path(), key(2));
    assert_eq!(other.load_sessions().unwrap(), []);
    let problem = other.problems().concat();
    assert!(problem.contains("another key") && problem.contains("ssod login"), "{problem}");
    let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(files.iter().any(|path| path.to_string_lossy().ends_with(".set-aside-1")), "{files:?}");
}

#[test]
fn a_damaged_file_does_not_affect_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let vault = unlocked(folder.path(), key(1));
    vault.save_session(&record()).unwrap();
    vault.save_credentials(&credentials()).unwrap();
    let path = folder.path().join(CREDENTIALS);
    let bytes = fs::read(&path).unwrap();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(bytes.len() as u64 / 2).unwrap();
    assert_eq!(vault.load_credentials().unwrap(), []);
    assert_eq!(vault.load_sessions().unwrap(), [record()]);
    assert!(vault.problems().concat().contains("damaged"));
}

#[test]
fn a_locked_vault_neither_loads_nor_saves() {
    let folder = tempfile::tempdir().unwrap();
    let vault = unlocked(folder.path(), key(1));
    vault.save_session(&record()).unwrap();
    vault.lock();
    assert!(vault.load_sessions().unwrap_err().0.contains("the vault is locked"));
    assert!(vault.save_session(&record()).unwrap_err().0.contains("the vault is locked"));
    vault.unlock(FoundKey { key: key(1), former: None, store: KeyStore::File });
    assert_eq!(vault.load_sessions().unwrap(), [record()]);
}

const FILE: KeyStoreChoice = KeyStoreChoice::Only(KeyStore::File);

/// Returns a vault that has its key in a file, a session and credentials.
fn filled(folder: &Path) -> Vault {
    let vault = Vault::new(folder).unwrap();
    vault.unlock(find_or_create_key(folder, FILE).unwrap());
    vault.save_session(&record()).unwrap();
    vault.save_credentials(&credentials()).unwrap();
    vault
}

fn reopened(folder: &Path) -> Vault {
    let vault = Vault::new(folder).unwrap();
    vault.unlock(find_or_create_key(folder, FILE).unwrap());
    vault
}

fn names_beginning_with(folder: &Path, start: &str) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(start)).collect()
}

#[test]
fn a_rekey_reseals_every_file_and_removes_the_old_key() {
    let folder = tempfile::tempdir().unwrap();
    let vault = filled(folder.path());
    let old = find_or_create_key(folder.path(), FILE).unwrap().key;
    vault.rekey(KeyStore::File).unwrap();
    vault.save_endpoint_tokens(&EndpointTokens::default()).unwrap();
    let found = find_or_create_key(folder.path(), FILE).unwrap();
    assert!(found.former.is_none() && found.key.expose() != old.expose());
    for name in vault.folder.names().unwrap() {
        let sealed = fs::read(folder.path().join(&name)).unwrap();
        assert_eq!(open(&old, &name, &sealed), Err(OpenError::OtherKey), "{name}");
    }
    assert_eq!(names_beginning_with(folder.path(), "key-").len(), 2, "the locations and one key");
    let again = reopened(folder.path());
    assert_eq!(again.load_sessions().unwrap(), [record()]);
    assert_eq!(again.load_credentials().unwrap(), credentials());
}

#[test]
fn an_interrupted_rekey_is_completed_at_the_next_start() {
    for resealed in 0..=2 {
        let folder = tempfile::tempdir().unwrap();
        let vault = filled(folder.path());
        let mut keys = vault.keys.write().unwrap();
        let keys = keys.as_mut().unwrap();
        rekey::begin(&vault.folder, keys, KeyStore::File).unwrap();
        for name in vault.folder.names().unwrap().iter().take(resealed) {
            rekey::reseal(&vault.folder, keys, name).unwrap();
        }
        assert_eq!(names_beginning_with(folder.path(), "key-").len(), 3, "the locations and two keys");
        let again = reopened(folder.path());
        assert_eq!(again.load_sessions().unwrap(), [record()]);
        assert_eq!(again.load_credentials().unwrap(), credentials());
        assert_eq!(again.problems(), [""; 0]);
        assert_eq!(names_beginning_with(folder.path(), "key-").len(), 2, "the old key is removed");
    }
}

/// A folder that the first version wrote. It stays in the tests because every release must read it.
#[test]
fn a_folder_of_the_first_version_opens() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/folder-1");
    for entry in fs::read_dir(fixture).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    fs::set_permissions(folder.path().join("key"), fs::Permissions::from_mode(0o600)).unwrap();
    let vault = reopened(folder.path());
    // It did not record the endpoints. They were AWS's own, so the sign-in stays usable there and nowhere else.
    let destinations = Destinations::default();
    assert_eq!(
        vault.load_sessions().unwrap(),
        [SessionRecord { signed_in_at: None, destinations, ..record() }]
    );
    assert_eq!(vault.load_credentials().unwrap(), credentials());
    assert!(vault.load_endpoint_tokens().unwrap().active.is_some());
    assert_eq!(vault.problems(), [""; 0]);
}

/// The power failed during a move to a store that may lose keys. The old key still opens the files that are not sealed
/// again yet.
#[test]
fn the_old_key_is_used_again_when_the_new_keys_store_has_lost_it() {
    let folder = tempfile::tempdir().unwrap();
    let vault = filled(folder.path());
    rekey::begin(&vault.folder, vault.keys.write().unwrap().as_mut().unwrap(), KeyStore::File).unwrap();
    let new = KeyLocations::load(folder.path()).unwrap().unwrap().current;
    crate::key_store::access::forget(folder.path(), &new).unwrap();
    let again = reopened(folder.path());
    assert_eq!(again.load_sessions().unwrap(), [record()]);
    assert_eq!(again.load_credentials().unwrap(), credentials());
    assert_eq!(again.problems(), [""; 0]);
}

#[test]
fn a_rekey_that_cannot_complete_leaves_every_file_readable() {
    let folder = tempfile::tempdir().unwrap();
    let vault = filled(folder.path());
    fs::create_dir(folder.path().join("in-the-way.sealed")).unwrap();
    let error = vault.rekey(KeyStore::File).unwrap_err();
    assert!(matches!(error, RekeyError::Incomplete(_)), "{error:?}");
    let again = reopened(folder.path());
    assert_eq!(again.load_sessions().unwrap(), [record()]);
    assert_eq!(again.load_credentials().unwrap(), credentials());
    fs::remove_dir(folder.path().join("in-the-way.sealed")).unwrap();
    let completed = reopened(folder.path());
    assert_eq!(
        names_beginning_with(folder.path(), "key-").len(),
        2,
        "the rekey is complete, and the old key is removed"
    );
    assert_eq!(completed.load_sessions().unwrap(), [record()]);
}

#[test]
fn a_rekey_of_a_locked_vault_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let vault = filled(folder.path());
    vault.lock();
    let error = vault.rekey(KeyStore::File).unwrap_err();
    assert!(matches!(error, RekeyError::NotStarted(_)), "{error:?}");
}

#[test]
fn a_key_that_its_store_has_lost_is_saved_again() {
    let folder = tempfile::tempdir().unwrap();
    let vault = filled(folder.path());
    let location = KeyLocations::load(folder.path()).unwrap().unwrap().current;
    crate::key_store::access::forget(folder.path(), &location).unwrap();
    vault.touch_key().unwrap();
    assert_eq!(reopened(folder.path()).load_sessions().unwrap(), [record()]);
}

#[test]
fn a_vault_whose_folder_was_moved_away_gets_a_new_key_without_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("vault");
    let vault = filled(&folder);
    fs::rename(&folder, home.path().join("away")).unwrap();
    vault.unlock(find_or_create_key(&folder, FILE).unwrap());
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    vault.save_session(&record()).unwrap();
    assert_eq!(vault.load_sessions().unwrap(), [record()]);
}
