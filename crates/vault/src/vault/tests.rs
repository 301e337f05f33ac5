use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use ssod_model::{
    ClientRegistration, ProfileName, Region, RoleCredentials, Secret, SessionTokens, SignInFlow, StartUrl,
    Timestamp,
};

use super::*;

fn key(byte: u8) -> VaultKey {
    VaultKey::from_bytes(&[byte; 32]).expect("32 bytes")
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
        registrations: BTreeMap::from([(SignInFlow::Browser, client.clone())]),
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
        role: "123456789012/AdminRole through s".into(),
        credentials: RoleCredentials {
            access_key_id: "ASIA".into(),
            secret_access_key: Secret::new("MARKER-secret".into()),
            session_token: Secret::new("MARKER-session".into()),
            issued_at: Timestamp::from_second(1_000).unwrap(),
            expiration: Timestamp::from_second(4_600).unwrap(),
        },
        last_used: Some(Timestamp::from_second(1_001).unwrap()),
    }]
}

#[test]
fn what_was_saved_is_there_after_a_restart_and_unreadable_to_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault");
    let vault = Vault::open(&path, key(1)).unwrap();
    vault.save_session(&record()).unwrap();
    vault.save_credentials(&credentials()).unwrap();
    let again = Vault::open(&path, key(1)).unwrap();
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
fn under_the_wrong_key_a_file_is_set_aside_and_named_never_deleted() {
    let folder = tempfile::tempdir().unwrap();
    Vault::open(folder.path(), key(1)).unwrap().save_session(&record()).unwrap();
    let other = Vault::open(folder.path(), key(2)).unwrap();
    assert_eq!(other.load_sessions().unwrap(), []);
    let problem = other.problems().concat();
    assert!(problem.contains("another key") && problem.contains("ssod login"), "{problem}");
    let kept: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(kept.iter().any(|path| path.to_string_lossy().ends_with(".set-aside-1")), "{kept:?}");
}

#[test]
fn a_damaged_file_costs_only_itself() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::open(folder.path(), key(1)).unwrap();
    vault.save_session(&record()).unwrap();
    vault.save_credentials(&credentials()).unwrap();
    let path = folder.path().join(CREDENTIALS);
    let bytes = fs::read(&path).unwrap();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(bytes.len() as u64 / 2).unwrap();
    assert_eq!(vault.load_credentials().unwrap(), []);
    assert_eq!(vault.load_sessions().unwrap(), [record()]);
    assert!(vault.problems().concat().contains("damaged"));
}
