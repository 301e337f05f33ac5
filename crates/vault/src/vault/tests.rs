use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use ssod_model::{
    ClientRegistration, Destinations, ProfileName, Region, RoleCredentials, RoleId, Secret, SessionTokens,
    SignInFlow, StartUrl, Timestamp,
};

use super::*;
use crate::interruption;
use crate::key::{StoredKey, VaultKey};
use crate::seal::{OpenError, open, seal};
use crate::{KeyStore, KeyStoreChoice, find_or_create_key};

/// The folder of a vault, in a folder of its own, because the counter of its key is beside it.
struct VaultFolder {
    _home: tempfile::TempDir,
    path: PathBuf,
}

impl VaultFolder {
    fn create() -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("vault");
        ssod_private_files::create_folder(&path).unwrap();
        Self { _home: home, path }
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

fn key(byte: u8) -> VaultKey {
    VaultKey::from_bytes(&[byte; 32]).expect("32 bytes")
}

fn found(key: VaultKey) -> FoundKey {
    FoundKey { current: StoredKey { key, counter: 1 }, former: None, store: KeyStore::File }
}

fn unlocked(folder: &Path, key: VaultKey) -> Vault {
    let vault = Vault::new(folder).unwrap();
    vault.unlock(found(key));
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
    let folder = VaultFolder::create();
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
    let folder = VaultFolder::create();
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
    let folder = VaultFolder::create();
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
    let folder = VaultFolder::create();
    let vault = unlocked(folder.path(), key(1));
    vault.save_session(&record()).unwrap();
    vault.lock();
    assert!(vault.load_sessions().unwrap_err().0.contains("the vault is locked"));
    assert!(vault.save_session(&record()).unwrap_err().0.contains("the vault is locked"));
    vault.unlock(found(key(1)));
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

/// Opens the vault as the next start of the daemon does.
fn reopened(folder: &Path) -> Vault {
    let vault = Vault::new(folder).unwrap();
    vault.unlock(find_or_create_key(folder, FILE).unwrap());
    vault.delete_replaced_keys();
    vault
}

/// Returns how many keys are in files.
fn keys_in_store(folder: &Path) -> usize {
    names_beginning_with(folder, "key-").len() - 1
}

fn names_beginning_with(folder: &Path, start: &str) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with(start)).collect()
}

#[test]
fn a_rekey_reseals_every_file_and_removes_the_old_key() {
    let folder = VaultFolder::create();
    let vault = filled(folder.path());
    let old = find_or_create_key(folder.path(), FILE).unwrap().current.key;
    vault.rekey(KeyStore::File).unwrap();
    vault.save_endpoint_tokens(&EndpointTokens::default()).unwrap();
    let found = find_or_create_key(folder.path(), FILE).unwrap();
    assert!(found.former.is_none() && found.current.key.expose() != old.expose());
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
        let folder = VaultFolder::create();
        let vault = filled(folder.path());
        let mut keys = vault.keys.write().unwrap();
        let keys = keys.as_mut().unwrap();
        rekey::begin(&vault.folder, keys, KeyStore::File).unwrap();
        for name in vault.folder.names().unwrap().iter().take(resealed) {
            keys.reseal(&vault.folder, name).unwrap();
        }
        assert_eq!(names_beginning_with(folder.path(), "key-").len(), 3, "the locations and two keys");
        let again = reopened(folder.path());
        assert_eq!(again.load_sessions().unwrap(), [record()]);
        assert_eq!(again.load_credentials().unwrap(), credentials());
        assert_eq!(again.problems(), [""; 0]);
        assert_eq!(keys_in_store(folder.path()), 1, "the old key is removed");
    }
}

/// A folder that the first version wrote. It stays in the tests because every release must read it.
#[test]
fn a_folder_of_the_first_version_opens() {
    let folder = VaultFolder::create();
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
    assert!(vault.load_endpoint_tokens().unwrap().current.active.is_some());
    assert_eq!(vault.problems(), [""; 0]);
}

/// The power failed during a move to a store that may lose keys. The old key still opens the files that are not sealed
/// again yet.
#[test]
fn the_old_key_is_used_again_when_the_new_keys_store_has_lost_it() {
    let folder = VaultFolder::create();
    let vault = filled(folder.path());
    rekey::begin(&vault.folder, vault.keys.write().unwrap().as_mut().unwrap(), KeyStore::File).unwrap();
    let new = KeyRecord::load(folder.path()).unwrap().current.unwrap();
    crate::key_store::access::forget(folder.path(), &new).unwrap();
    let again = reopened(folder.path());
    assert_eq!(again.load_sessions().unwrap(), [record()]);
    assert_eq!(again.load_credentials().unwrap(), credentials());
    assert_eq!(again.problems(), [""; 0]);
}

/// Copies a vault's folder, as a backup does.
fn copy_folder(from: &Path, to: &Path) {
    ssod_private_files::create_folder(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Puts a copy of the vault's folder back in place of the present one.
fn put_back(copy: &Path, folder: &Path) {
    fs::remove_dir_all(folder).unwrap();
    copy_folder(copy, folder);
}

#[test]
fn a_rekey_that_is_killed_at_any_step_leaves_one_key_and_every_secret() {
    for points in 0.. {
        let folder = VaultFolder::create();
        let vault = filled(folder.path());
        let complete = interruption::completes(points, || vault.rekey(KeyStore::File).unwrap());
        let again = reopened(folder.path());
        assert_eq!(again.load_sessions().unwrap(), [record()], "killed at {points}");
        assert_eq!(again.load_credentials().unwrap(), credentials(), "killed at {points}");
        assert_eq!(again.problems(), [""; 0], "killed at {points}");
        assert_eq!(keys_in_store(folder.path()), 1, "killed at {points}");
        assert_eq!(KeyRecord::load(folder.path()).unwrap().obsolete, [], "killed at {points}");
        if complete {
            assert!(points >= 8, "{points} steps");
            return;
        }
    }
}

#[test]
fn rekeys_that_are_killed_one_after_another_leave_one_key_and_every_secret() {
    for points in 0..12 {
        let folder = VaultFolder::create();
        let mut vault = filled(folder.path());
        for more in 0..3 {
            interruption::completes(points + more, || vault.rekey(KeyStore::File).unwrap());
            // The next start deletes nothing, because it is killed, too.
            vault = Vault::new(folder.path()).unwrap();
            vault.unlock(find_or_create_key(folder.path(), FILE).unwrap());
        }
        let again = reopened(folder.path());
        assert_eq!(again.load_sessions().unwrap(), [record()], "killed at {points}");
        assert_eq!(again.load_credentials().unwrap(), credentials(), "killed at {points}");
        assert_eq!(keys_in_store(folder.path()), 1, "killed at {points}");
    }
}

#[test]
fn the_first_key_whose_creation_is_killed_is_deleted() {
    for points in 0.. {
        let folder = VaultFolder::create();
        let create = || drop(find_or_create_key(folder.path(), FILE).unwrap());
        let complete = interruption::completes(points, create);
        let vault = reopened(folder.path());
        assert_eq!(keys_in_store(folder.path()), 1, "killed at {points}");
        vault.save_session(&record()).unwrap();
        assert_eq!(reopened(folder.path()).load_sessions().unwrap(), [record()], "killed at {points}");
        if complete {
            return;
        }
    }
}

#[test]
fn a_key_that_cannot_be_deleted_is_reported_and_deleted_later() {
    let folder = VaultFolder::create();
    let vault = filled(folder.path());
    let old = KeyRecord::load(folder.path()).unwrap().current.unwrap();
    let key_file = folder.path().join(format!("key-{}", old.id));
    vault.rekey(KeyStore::File).unwrap();
    // A folder in place of the file cannot be removed as a file.
    fs::create_dir(&key_file).unwrap();
    let mut record = KeyRecord::load(folder.path()).unwrap();
    record.obsolete.push(old.clone());
    record.save(folder.path()).unwrap();
    let again = reopened(folder.path());
    assert!(again.problems().concat().contains("A key that was replaced is still"), "{:?}", again.problems());
    assert_eq!(KeyRecord::load(folder.path()).unwrap().obsolete, [old]);
    fs::remove_dir(key_file).unwrap();
    again.rekey(KeyStore::File).unwrap();
    assert_eq!((again.problems(), keys_in_store(folder.path())), (vec![], 1));
}

/// A legacy key file has no id, so the deletion of a key that was never created must not delete it.
#[test]
fn a_killed_rekey_of_the_first_versions_vault_keeps_its_key() {
    for points in 0.. {
        let folder = VaultFolder::create();
        copy_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/folder-1"), folder.path());
        fs::set_permissions(folder.path().join("key"), fs::Permissions::from_mode(0o600)).unwrap();
        let complete = interruption::completes(points, || {
            reopened(folder.path()).rekey(KeyStore::File).unwrap();
        });
        let again = reopened(folder.path());
        assert_eq!(again.load_credentials().unwrap(), credentials(), "killed at {points}");
        assert_eq!((again.problems(), keys_in_store(folder.path())), (vec![], 1), "killed at {points}");
        if complete {
            return;
        }
    }
}

#[test]
fn a_copy_from_before_a_revocation_is_reported_and_not_used() {
    let folder = VaultFolder::create();
    let vault = filled(folder.path());
    let copy = folder.path().with_file_name("copy");
    copy_folder(folder.path(), &copy);
    vault.forget_session(&record().name).unwrap();
    vault.save_credentials(&[]).unwrap();
    vault.revoke_copies().unwrap();
    put_back(&copy, folder.path());
    let again = reopened(folder.path());
    assert_eq!((again.load_sessions().unwrap(), again.load_credentials().unwrap()), (vec![], vec![]));
    let problems = again.problems();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("from before the last sign-out or revocation"), "{problems:?}");
    assert!(problems.concat().contains("Sign in again: ssod login"), "{problems:?}");
    // A new sign-in works and survives a restart.
    again.save_session(&record()).unwrap();
    assert_eq!(reopened(folder.path()).load_sessions().unwrap(), [record()]);
}

#[test]
fn a_copy_from_before_a_rekey_or_a_second_revocation_is_not_used_either() {
    let folder = VaultFolder::create();
    let vault = filled(folder.path());
    let copies: Vec<PathBuf> = (0..3)
        .map(|number| {
            let copy = folder.path().with_file_name(format!("copy-{number}"));
            copy_folder(folder.path(), &copy);
            if number == 1 {
                vault.rekey(KeyStore::File).unwrap();
            } else {
                vault.revoke_copies().unwrap();
            }
            copy
        })
        .collect();
    let present = folder.path().with_file_name("present");
    copy_folder(folder.path(), &present);
    for copy in &copies {
        put_back(copy, folder.path());
        assert_eq!(reopened(folder.path()).load_sessions().unwrap(), [], "{}", copy.display());
    }
    put_back(&present, folder.path());
    assert_eq!(reopened(folder.path()).load_sessions().unwrap(), [record()], "the present files open");
}

#[test]
fn a_revocation_that_is_killed_at_any_step_loses_no_file_and_is_completed() {
    for points in 0.. {
        let folder = VaultFolder::create();
        let vault = filled(folder.path());
        let before = folder.path().with_file_name("before");
        copy_folder(folder.path(), &before);
        let complete = interruption::completes(points, || vault.revoke_copies().unwrap());
        let again = reopened(folder.path());
        assert_eq!(again.load_sessions().unwrap(), [record()], "killed at {points}");
        assert_eq!(again.load_credentials().unwrap(), credentials(), "killed at {points}");
        assert_eq!(again.problems(), [""; 0], "killed at {points}");
        let stored = find_or_create_key(folder.path(), FILE).unwrap().current.counter;
        // Before the first file is sealed again, the revocation has not begun.
        assert_eq!(stored, if points == 0 { 1 } else { 2 }, "killed at {points}");
        again.revoke_copies().unwrap();
        put_back(&before, folder.path());
        assert_eq!(reopened(folder.path()).load_sessions().unwrap(), [], "killed at {points}");
        if complete {
            assert!(points >= 3, "{points} steps");
            return;
        }
    }
}

#[test]
fn the_upgrade_of_a_vault_without_a_counter_that_is_killed_at_any_step_loses_no_file() {
    for points in 0.. {
        let folder = VaultFolder::create();
        copy_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/folder-1"), folder.path());
        fs::set_permissions(folder.path().join("key"), fs::Permissions::from_mode(0o600)).unwrap();
        let before = folder.path().with_file_name("before");
        copy_folder(folder.path(), &before);
        let complete = interruption::completes(points, || drop(reopened(folder.path())));
        let again = reopened(folder.path());
        assert_eq!(again.load_sessions().unwrap().len(), 1, "killed at {points}");
        assert_eq!(again.load_credentials().unwrap(), credentials(), "killed at {points}");
        assert_eq!(again.problems(), [""; 0], "killed at {points}");
        // Files without a counter are refused from now on.
        put_back(&before, folder.path());
        assert_eq!(reopened(folder.path()).load_sessions().unwrap(), [], "killed at {points}");
        if complete {
            return;
        }
    }
}

/// The key store is an older copy than the vault, for example after a restore of the keyring alone.
#[test]
fn files_that_are_newer_than_the_key_store_are_used() {
    let folder = VaultFolder::create();
    let vault = filled(folder.path());
    let counter = folder.path().with_file_name("vault-counter");
    let before = fs::read(&counter).unwrap();
    vault.revoke_copies().unwrap();
    vault.revoke_copies().unwrap();
    ssod_private_files::write(&counter, &before).unwrap();
    assert_eq!(reopened(folder.path()).load_sessions().unwrap(), [record()]);
    assert_eq!(find_or_create_key(folder.path(), FILE).unwrap().current.counter, 3);
}

#[test]
fn a_revocation_that_the_key_store_refuses_is_reported_and_completed_later() {
    let folder = VaultFolder::create();
    let vault = filled(folder.path());
    let copy = folder.path().with_file_name("copy");
    copy_folder(folder.path(), &copy);
    let counter = folder.path().with_file_name("vault-counter");
    let before = fs::read(&counter).unwrap();
    fs::remove_file(&counter).unwrap();
    fs::create_dir(&counter).unwrap();
    vault.revoke_copies().unwrap_err();
    assert!(vault.accepts_revoked_copies());
    assert!(vault.problems().concat().contains("can still be put back"), "{:?}", vault.problems());
    vault.save_session(&record()).unwrap();
    assert_eq!(vault.load_sessions().unwrap(), [record()], "the vault stays usable");
    fs::remove_dir(&counter).unwrap();
    ssod_private_files::write(&counter, &before).unwrap();
    vault.retry_revocation().unwrap();
    assert_eq!(vault.problems(), [""; 0]);
    put_back(&copy, folder.path());
    assert_eq!(reopened(folder.path()).load_sessions().unwrap(), []);
}

#[test]
fn a_rekey_after_a_failed_revocation_that_is_killed_at_any_step_loses_no_file() {
    for points in 0.. {
        let folder = VaultFolder::create();
        let vault = filled(folder.path());
        let counter = folder.path().with_file_name("vault-counter");
        let before = fs::read(&counter).unwrap();
        fs::remove_file(&counter).unwrap();
        fs::create_dir(&counter).unwrap();
        vault.revoke_copies().unwrap_err();
        fs::remove_dir(&counter).unwrap();
        ssod_private_files::write(&counter, &before).unwrap();
        let complete = interruption::completes(points, || vault.rekey(KeyStore::File).unwrap());
        let again = reopened(folder.path());
        assert_eq!(again.load_sessions().unwrap(), [record()], "killed at {points}");
        assert_eq!(again.load_credentials().unwrap(), credentials(), "killed at {points}");
        assert_eq!((again.problems(), keys_in_store(folder.path())), (vec![], 1), "killed at {points}");
        if complete {
            return;
        }
    }
}

#[test]
fn a_damaged_file_cannot_raise_the_counter() {
    let folder = VaultFolder::create();
    let vault = filled(folder.path());
    let key = find_or_create_key(folder.path(), FILE).unwrap().current.key;
    let mut forged = seal(&key, u64::MAX, "session-00.sealed", b"x").unwrap();
    *forged.last_mut().unwrap() ^= 1;
    ssod_private_files::write(&folder.path().join("session-00.sealed"), &forged).unwrap();
    drop(vault);
    assert_eq!(reopened(folder.path()).load_sessions().unwrap(), [record()]);
    assert_eq!(find_or_create_key(folder.path(), FILE).unwrap().current.counter, 1);
}

#[test]
fn a_rekey_that_cannot_complete_leaves_every_file_readable() {
    let folder = VaultFolder::create();
    let vault = filled(folder.path());
    fs::create_dir(folder.path().join("in-the-way.sealed")).unwrap();
    let error = vault.rekey(KeyStore::File).unwrap_err();
    assert!(matches!(error, RekeyError::Incomplete(_)), "{error:?}");
    let again = reopened(folder.path());
    assert_eq!(again.load_sessions().unwrap(), [record()]);
    assert_eq!(again.load_credentials().unwrap(), credentials());
    fs::remove_dir(folder.path().join("in-the-way.sealed")).unwrap();
    let completed = reopened(folder.path());
    assert_eq!(keys_in_store(folder.path()), 1, "the rekey is complete, and the old key is removed");
    assert_eq!(completed.load_sessions().unwrap(), [record()]);
}

#[test]
fn a_rekey_of_a_locked_vault_does_not_start() {
    let folder = VaultFolder::create();
    let vault = filled(folder.path());
    vault.lock();
    let error = vault.rekey(KeyStore::File).unwrap_err();
    assert!(matches!(error, RekeyError::NotStarted(_)), "{error:?}");
}

#[test]
fn a_key_that_its_store_has_lost_is_saved_again() {
    let folder = VaultFolder::create();
    let vault = filled(folder.path());
    let location = KeyRecord::load(folder.path()).unwrap().current.unwrap();
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
