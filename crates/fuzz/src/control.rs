//! The control API: the messages of clients, and of daemons of an older or newer version.

use serde::Serialize;
use serde::de::DeserializeOwned;
use ssod_control::{
    AuditEntry, AuditWritten, ChainHead, ChainVerifier, ChainedLine, Check, CredentialsRequest, EnvRequest,
    ErrorBody, LineText, ListRequest, ListedSession, LoginEvent, LoginRequest, LogoutRequest, LogoutResult,
    Paths, RekeyRequest, Status, UseRequest, chain_line,
};
use ssod_model::{AccountId, ProfileName, Region, RoleName, SessionName, StartUrl};

/// Checks that a body is parsed or refused, and that a message does not change when it is written and read again.
pub(crate) fn check(data: &[u8]) {
    check_round_trip::<LoginRequest>(data);
    check_round_trip::<LogoutRequest>(data);
    check_round_trip::<UseRequest>(data);
    check_round_trip::<EnvRequest>(data);
    check_round_trip::<CredentialsRequest>(data);
    check_round_trip::<ListRequest>(data);
    check_round_trip::<RekeyRequest>(data);
    check_round_trip::<Status>(data);
    check_round_trip::<LoginEvent>(data);
    check_round_trip::<LogoutResult>(data);
    check_round_trip::<Vec<ListedSession>>(data);
    check_round_trip::<Vec<Check>>(data);
    check_round_trip::<AuditEntry>(data);
    check_round_trip::<AuditWritten>(data);
    check_chain(data);
    check_round_trip::<ErrorBody>(data);
    let text = String::from_utf8_lossy(data);
    check_names(&text);
}

fn check_round_trip<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(data: &[u8]) {
    let Ok(message) = serde_json::from_slice::<T>(data) else { return };
    let written = serde_json::to_vec(&message).unwrap();
    assert_eq!(serde_json::from_slice::<T>(&written).unwrap(), message);
}

/// Checks that any file can be verified, and that every entry can be chained. The log is a file that other programs of the
/// user can write.
fn check_chain(data: &[u8]) {
    let genesis = ChainHead::genesis();
    let mut verifier = ChainVerifier::new(serde_json::from_slice(data).ok());
    for (line, text) in (1..).zip(data.split(|byte| *byte == b'\n')) {
        verifier.check(LineText { file: 0, line, text, is_complete: true });
    }
    verifier.finish();
    let Ok(entry) = serde_json::from_slice::<AuditEntry>(data) else { return };
    let entry = AuditEntry { seq: 1, prev: None, torn: None, ..entry };
    let (line, chain) = chain_line(&entry, &genesis.chain).unwrap();
    assert!(!line.contains('\n'));
    let parsed = ChainedLine::parse(line.as_bytes()).unwrap();
    assert!(parsed.chain == chain && parsed.follows(&genesis.chain) && !parsed.follows(&chain));
    let mut verifier = ChainVerifier::new(None);
    verifier.check(LineText { file: 0, line: 1, text: line.as_bytes(), is_complete: true });
    assert!(verifier.finish().faults.is_empty());
}

/// Checks that a valid name cannot leave its folder, its line or its part of a URL.
fn check_names(text: &str) {
    if let Ok(profile) = ProfileName::parse(text) {
        assert!(!profile.as_str().chars().any(char::is_control));
        let route = Paths::credentials_route(Some(profile.as_str()));
        assert_eq!(route.matches('/').count(), 2, "{route}");
        assert!(route.is_ascii() && !route.contains(['"', '\'', '\\', '$', '`', ' ', '#', '?']), "{route}");
    }
    if let Ok(session) = SessionName::parse(text) {
        assert!(!session.as_str().chars().any(char::is_control));
    }
    if let Ok(region) = Region::parse(text) {
        assert!(
            region
                .as_str()
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        );
    }
    if let Ok(account) = AccountId::parse(text) {
        assert!(account.as_str().len() == 12 && account.as_str().bytes().all(|byte| byte.is_ascii_digit()));
    }
    if let Ok(url) = StartUrl::parse(text) {
        assert!(!url.as_str().chars().any(char::is_control));
    }
    let _ = RoleName::parse(text);
}
