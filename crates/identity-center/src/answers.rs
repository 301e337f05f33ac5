//! Parses the bodies of AWS's answers into the types of `ssod-model`. It has no I/O, and a hostile body becomes an
//! error.

use std::time::Duration;

use serde::de::DeserializeOwned;
use ssod_model::{
    Account, AccountId, ClientRegistration, DeviceAuthorization, IdentityError, RoleCredentials, RoleName,
    Secret, SessionTokens, Timestamp, TimestampExt,
};

use crate::errors::{Service, printable};
use crate::wire;

/// The longest lifetime that is accepted; a longer one is shortened to it. Real ones are at most 12 hours for role
/// credentials and about 90 days for a registration.
const MAX_LIFETIME: Duration = Duration::from_hours(8784);

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries, without those whose account id or role name is not valid.
    pub entries: Vec<T>,
    /// The token that requests the next page, if there is one.
    pub next_token: Option<String>,
}

/// Parses the answer to RegisterClient.
pub fn registration(body: &[u8], now: Timestamp) -> Result<ClientRegistration, IdentityError> {
    let response: wire::RegisterClientResponse = decode(Service::Oidc, body)?;
    Ok(ClientRegistration {
        client_id: response.client_id,
        client_secret: response.client_secret.into(),
        expires_at: clamped(Timestamp::from_second(response.client_secret_expires_at), now)?,
    })
}

/// Parses the answer to StartDeviceAuthorization.
pub fn device_authorization(body: &[u8]) -> Result<DeviceAuthorization, IdentityError> {
    let response: wire::StartDeviceAuthorizationResponse = decode(Service::Oidc, body)?;
    let complete = response.verification_uri_complete.unwrap_or_else(|| response.verification_uri.clone());
    let interval = response.interval.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(5);
    Ok(DeviceAuthorization {
        device_code: response.device_code.into(),
        user_code: printable(&response.user_code),
        verification_uri: response.verification_uri,
        verification_uri_complete: complete,
        expires_in: lifetime(response.expires_in),
        interval: Duration::from_secs(interval.clamp(1, 60)),
    })
}

/// Parses the answer to CreateToken. If it has no refresh token, the one that was sent remains valid.
pub fn tokens(
    body: &[u8],
    issued_at: Timestamp,
    now: Timestamp,
    client: ClientRegistration,
    sent_refresh_token: Option<Secret>,
) -> Result<SessionTokens, IdentityError> {
    let response: wire::CreateTokenResponse = decode(Service::Oidc, body)?;
    Ok(SessionTokens {
        access_token: checked_secret(response.access_token)?,
        issued_at,
        expires_at: now.plus(lifetime(response.expires_in)),
        refresh_token: response.refresh_token.map(Secret::from).or(sent_refresh_token),
        client,
    })
}

/// Parses the answer to ListAccounts.
pub fn accounts(body: &[u8]) -> Result<Page<Account>, IdentityError> {
    let page: wire::ListAccountsResponse = decode(Service::Portal, body)?;
    let account = |entry: wire::AccountInfo| {
        let id = AccountId::parse(&entry.account_id).ok()?;
        Some(Account { id, name: printable(&entry.account_name), email: printable(&entry.email_address) })
    };
    let entries = page.account_list.into_iter().filter_map(account).collect();
    Ok(Page { entries, next_token: page.next_token.filter(|token| !token.is_empty()) })
}

/// Parses the answer to ListAccountRoles.
pub fn roles(body: &[u8]) -> Result<Page<RoleName>, IdentityError> {
    let page: wire::ListAccountRolesResponse = decode(Service::Portal, body)?;
    let entries =
        page.role_list.into_iter().filter_map(|entry| RoleName::parse(&entry.role_name).ok()).collect();
    Ok(Page { entries, next_token: page.next_token.filter(|token| !token.is_empty()) })
}

/// Parses the answer to GetRoleCredentials.
pub fn role_credentials(
    body: &[u8],
    issued_at: Timestamp,
    now: Timestamp,
) -> Result<RoleCredentials, IdentityError> {
    let response: wire::GetRoleCredentialsResponse = decode(Service::Portal, body)?;
    let credentials = response.role_credentials;
    Ok(RoleCredentials {
        access_key_id: checked_secret(credentials.access_key_id)?.expose().to_owned(),
        secret_access_key: checked_secret(credentials.secret_access_key)?,
        session_token: checked_secret(credentials.session_token)?,
        issued_at,
        expiration: clamped(Timestamp::from_millisecond(credentials.expiration), now)?,
    })
}

/// Limits a time that AWS sent, so that a hostile one cannot make a value valid forever.
fn clamped(
    at: Result<Timestamp, impl std::fmt::Display>,
    now: Timestamp,
) -> Result<Timestamp, IdentityError> {
    let at =
        at.map_err(|error| IdentityError::Unavailable(format!("AWS sent an impossible time: {error}")))?;
    Ok(at.min(now.plus(MAX_LIFETIME)))
}

fn decode<T: DeserializeOwned>(service: Service, body: &[u8]) -> Result<T, IdentityError> {
    serde_json::from_slice(body).map_err(|error| {
        // serde's message can quote secret values, so only its category is reported.
        let content =
            if error.is_data() { "JSON without the expected content" } else { "something that is not JSON" };
        IdentityError::Unavailable(format!("{} answered with {content}", service.name()))
    })
}

/// Refuses a secret that is empty or has control characters, because SDKs get it in headers and JSON.
fn checked_secret(text: String) -> Result<Secret, IdentityError> {
    if text.is_empty() || text.chars().any(char::is_control) {
        return Err(IdentityError::Unavailable(
            "AWS sent a secret that is empty or contains control characters".to_owned(),
        ));
    }
    Ok(Secret::new(text))
}

/// Returns a lifetime that AWS sent in seconds, between zero and the maximum.
fn lifetime(seconds: i64) -> Duration {
    u64::try_from(seconds).map_or(Duration::ZERO, Duration::from_secs).min(MAX_LIFETIME)
}
