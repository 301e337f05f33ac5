//! The control API: what a client may send, and what an older or newer daemon may answer.

use serde::Serialize;
use serde::de::DeserializeOwned;
use ssod_control::{
    AuditEntry, Check, CredentialsRequest, EnvRequest, ErrorBody, ListRequest, ListedSession, LoginEvent,
    LoginRequest, LogoutRequest, LogoutResult, Paths, RekeyRequest, Status, UseRequest,
};
use ssod_model::{AccountId, ProfileName, Region, RoleName, SessionName, StartUrl};

/// Whatever the body: it is a message or none, and a message means the same after it was written again.
pub(crate) fn check(data: &[u8]) {
    same::<LoginRequest>(data);
    same::<LogoutRequest>(data);
    same::<UseRequest>(data);
    same::<EnvRequest>(data);
    same::<CredentialsRequest>(data);
    same::<ListRequest>(data);
    same::<RekeyRequest>(data);
    same::<Status>(data);
    same::<LoginEvent>(data);
    same::<LogoutResult>(data);
    same::<Vec<ListedSession>>(data);
    same::<Vec<Check>>(data);
    same::<AuditEntry>(data);
    same::<ErrorBody>(data);
    let text = String::from_utf8_lossy(data);
    names(&text);
}

fn same<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(data: &[u8]) {
    let Ok(message) = serde_json::from_slice::<T>(data) else { return };
    let written = serde_json::to_vec(&message).unwrap();
    assert_eq!(serde_json::from_slice::<T>(&written).unwrap(), message);
}

/// A name that is taken leaves no folder, no line and no URL by itself.
fn names(text: &str) {
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
