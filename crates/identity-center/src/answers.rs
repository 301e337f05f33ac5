//! What AWS's answers mean. Pure: bodies in, nouns out; whatever a hostile server sends ends here as an error.

use std::time::Duration;

use serde::de::DeserializeOwned;
use ssod_model::{
    Account, AccountId, ClientRegistration, DeviceAuthorization, IdentityError, RoleCredentials, RoleName,
    Secret, SessionTokens, Timestamp, TimestampExt,
};

use crate::errors::{Service, plain};
use crate::wire;

/// A permission set lasts 12 hours at most and a registration about 90 days: what claims to last longer is clamped.
const MAX_LIFE: Duration = Duration::from_hours(8784);

/// One page of a list, and the token for the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it; entries that no AWS tool could use are left out.
    pub entries: Vec<T>,
    /// The next page, if there is one.
    pub next: Option<String>,
}

/// RegisterClient's.
pub fn registration(body: &[u8], now: Timestamp) -> Result<ClientRegistration, IdentityError> {
    let made: wire::RegisteredClient = decode(Service::Oidc, body)?;
    Ok(ClientRegistration {
        client_id: made.client_id,
        client_secret: made.client_secret.into(),
        expires_at: clamped(Timestamp::from_second(made.client_secret_expires_at), now)?,
    })
}

/// StartDeviceAuthorization's.
pub fn device_authorization(body: &[u8]) -> Result<DeviceAuthorization, IdentityError> {
    let started: wire::StartedDeviceAuthorization = decode(Service::Oidc, body)?;
    let complete = started.verification_uri_complete.unwrap_or_else(|| started.verification_uri.clone());
    let interval = started.interval.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(5);
    Ok(DeviceAuthorization {
        device_code: started.device_code.into(),
        user_code: plain(&started.user_code),
        verification_uri: started.verification_uri,
        verification_uri_complete: complete,
        expires_in: lifetime(started.expires_in),
        interval: Duration::from_secs(interval.clamp(1, 60)),
    })
}

/// CreateToken's; an answer without a refresh token keeps the one that was sent.
pub fn tokens(
    body: &[u8],
    issued_at: Timestamp,
    now: Timestamp,
    client: ClientRegistration,
    kept: Option<Secret>,
) -> Result<SessionTokens, IdentityError> {
    let made: wire::CreatedToken = decode(Service::Oidc, body)?;
    Ok(SessionTokens {
        access_token: header_safe(made.access_token)?,
        issued_at,
        expires_at: now.plus(lifetime(made.expires_in)),
        refresh_token: made.refresh_token.map(Secret::from).or(kept),
        client,
    })
}

/// ListAccounts'.
pub fn accounts(body: &[u8]) -> Result<Page<Account>, IdentityError> {
    let page: wire::AccountPage = decode(Service::Portal, body)?;
    let account = |entry: wire::AccountEntry| {
        let id = AccountId::parse(&entry.account_id).ok()?;
        Some(Account { id, name: plain(&entry.account_name), email: plain(&entry.email_address) })
    };
    let entries = page.account_list.into_iter().filter_map(account).collect();
    Ok(Page { entries, next: page.next_token.filter(|token| !token.is_empty()) })
}

/// ListAccountRoles'.
pub fn roles(body: &[u8]) -> Result<Page<RoleName>, IdentityError> {
    let page: wire::RolePage = decode(Service::Portal, body)?;
    let entries =
        page.role_list.into_iter().filter_map(|entry| RoleName::parse(&entry.role_name).ok()).collect();
    Ok(Page { entries, next: page.next_token.filter(|token| !token.is_empty()) })
}

/// GetRoleCredentials'.
pub fn role_credentials(
    body: &[u8],
    issued_at: Timestamp,
    now: Timestamp,
) -> Result<RoleCredentials, IdentityError> {
    let answer: wire::RoleCredentialsAnswer = decode(Service::Portal, body)?;
    let entry = answer.role_credentials;
    Ok(RoleCredentials {
        access_key_id: header_safe(entry.access_key_id)?.expose().to_owned(),
        secret_access_key: header_safe(entry.secret_access_key)?,
        session_token: header_safe(entry.session_token)?,
        issued_at,
        expiration: clamped(Timestamp::from_millisecond(entry.expiration), now)?,
    })
}

fn clamped(
    at: Result<Timestamp, impl std::fmt::Display>,
    now: Timestamp,
) -> Result<Timestamp, IdentityError> {
    let at =
        at.map_err(|error| IdentityError::Unavailable(format!("AWS sent an impossible time: {error}")))?;
    Ok(at.min(now.plus(MAX_LIFE)))
}

fn decode<T: DeserializeOwned>(service: Service, body: &[u8]) -> Result<T, IdentityError> {
    serde_json::from_slice(body).map_err(|error| {
        // serde's text can quote values; the category tells enough and quotes nothing.
        let name =
            if service == Service::Oidc { "Identity Center's sign-in service" } else { "the SSO portal" };
        let what =
            if error.is_data() { "JSON that lacks what was asked for" } else { "something that is not JSON" };
        IdentityError::Unavailable(format!("{name} answered with {what}"))
    })
}

/// A secret that will stand in headers and JSON of others: empty or with control characters it is refused.
fn header_safe(text: String) -> Result<Secret, IdentityError> {
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(IdentityError::Unavailable(
            "AWS sent a secret that is empty or has control characters".to_owned(),
        ));
    }
    Ok(Secret::new(text))
}

/// A life in seconds as a server names it: none below zero, and not for ever.
fn lifetime(seconds: i64) -> Duration {
    u64::try_from(seconds).map_or(Duration::ZERO, Duration::from_secs).min(MAX_LIFE)
}
