//! Parses the bodies of AWS's answers into the types of `ssod-model`. It has no I/O, and a hostile body becomes an
//! error.

use std::time::Duration;

use serde::de::DeserializeOwned;
use ssod_model::{
    Account, AccountId, ClientRegistration, DeviceAuthorization, IdentityError, RoleCredentials, RoleName,
    Secret, SessionTokens, Timestamp, TimestampExt,
};

use crate::errors::printable;
use crate::operation::Service;
use crate::wire;

/// The longest lifetime that is accepted; a longer one is shortened to it. Real ones are at most 12 hours for role
/// credentials and about 90 days for a registration.
const MAX_LIFETIME: Duration = Duration::from_hours(8784);
/// The lifetime of a registration if AWS does not send its end. It is the shortest that users report. A registration
/// that AWS does not know any more at the next sign-in is replaced.
const REGISTRATION_LIFETIME: Duration = Duration::from_hours(24);
/// The lifetime of an access token if AWS does not send it. AWS's tokens last an hour; if one ends earlier, the portal
/// reports it.
const TOKEN_LIFETIME: Duration = Duration::from_hours(1);
/// The lifetime of a device code if AWS does not send it, as in the AWS CLI.
const DEVICE_CODE_LIFETIME: Duration = Duration::from_mins(10);

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
    // Zero means that the registration has no end (RFC 7591, section 3.2.1).
    let expires_at = match response.client_secret_expires_at.filter(|seconds| *seconds != 0) {
        Some(seconds) => clamped(Timestamp::from_second(seconds), now)?,
        None => now.plus(REGISTRATION_LIFETIME),
    };
    let client_secret = response.client_secret.into();
    Ok(ClientRegistration { client_id: response.client_id, client_secret, expires_at })
}

/// Parses the answer to StartDeviceAuthorization.
pub fn device_authorization(body: &[u8]) -> Result<DeviceAuthorization, IdentityError> {
    let response: wire::StartDeviceAuthorizationResponse = decode(Service::Oidc, body)?;
    let (uri, complete) = (response.verification_uri, response.verification_uri_complete);
    let no_page =
        || IdentityError::Unavailable(format!("{} sent no address of a sign-in page", Service::Oidc));
    let complete = complete.or_else(|| uri.clone()).ok_or_else(no_page)?;
    let interval = response.interval.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(5);
    Ok(DeviceAuthorization {
        device_code: response.device_code.into(),
        user_code: printable(&response.user_code),
        verification_uri: uri.unwrap_or_else(|| complete.clone()),
        verification_uri_complete: complete,
        expires_in: response.expires_in.map_or(DEVICE_CODE_LIFETIME, lifetime),
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
    let refresh_token = response.refresh_token.filter(|token| !token.is_empty());
    Ok(SessionTokens {
        access_token: checked_secret(response.access_token)?,
        issued_at,
        expires_at: now.plus(response.expires_in.map_or(TOKEN_LIFETIME, lifetime)),
        refresh_token: refresh_token.map(Secret::from).or(sent_refresh_token),
        client,
    })
}

/// Parses the answer to ListAccounts.
pub fn accounts(body: &[u8]) -> Result<Page<Account>, IdentityError> {
    let page: wire::ListAccountsResponse = decode(Service::Portal, body)?;
    let account = |entry: wire::AccountInfo| {
        let id = AccountId::parse(&entry.account_id?).ok()?;
        let text = |text: Option<String>| printable(&text.unwrap_or_default());
        Some(Account { id, name: text(entry.account_name), email: text(entry.email_address) })
    };
    let entries = page.account_list.into_iter().flatten().flatten().filter_map(account).collect();
    Ok(Page { entries, next_token: page.next_token.filter(|token| !token.is_empty()) })
}

/// Parses the answer to ListAccountRoles.
pub fn roles(body: &[u8]) -> Result<Page<RoleName>, IdentityError> {
    let page: wire::ListAccountRolesResponse = decode(Service::Portal, body)?;
    let role = |entry: wire::RoleInfo| RoleName::parse(&entry.role_name?).ok();
    let entries = page.role_list.into_iter().flatten().flatten().filter_map(role).collect();
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
        IdentityError::Unavailable(format!("{service} answered with {content}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    fn client() -> ClientRegistration {
        let client_secret = Secret::new("s".to_owned());
        ClientRegistration { client_id: "id".to_owned(), client_secret, expires_at: now() }
    }

    #[test]
    fn members_of_lists_may_be_null_and_unknown_members_are_ignored() {
        let body = br#"{"accountList":[null,{"accountId":"123456789012","accountName":null,"emailAddress":null,"tag":{}},
            {"accountId":null,"accountName":"no id"},{"accountId":"000000000001","accountName":"two"}],
            "nextToken":null,"more":[1]}"#;
        let page = accounts(body).unwrap();
        let names: Vec<_> = page.entries.iter().map(|one| (one.id.as_str(), one.name.as_str())).collect();
        assert_eq!(names, [("123456789012", ""), ("000000000001", "two")]);
        assert_eq!(page.next_token, None);
        let body =
            br#"{"roleList":[{"roleName":"R","accountId":null},{"roleName":null},null],"nextToken":""}"#;
        let page = roles(body).unwrap();
        assert_eq!((page.entries.len(), page.next_token), (1, None));
        for empty in ["{}", r#"{"accountList":null,"roleList":null,"nextToken":null}"#] {
            assert!(accounts(empty.as_bytes()).unwrap().entries.is_empty(), "{empty}");
            assert!(roles(empty.as_bytes()).unwrap().entries.is_empty(), "{empty}");
        }
    }

    #[test]
    fn optional_members_of_token_answers_may_be_null() {
        let body =
            br#"{"accessToken":"a","tokenType":null,"expiresIn":null,"refreshToken":null,"idToken":null}"#;
        let renewed = tokens(body, now(), now(), client(), Some(Secret::new("sent".to_owned()))).unwrap();
        assert_eq!(renewed.refresh_token.unwrap().expose(), "sent");
        assert_eq!(renewed.expires_at, now().plus(TOKEN_LIFETIME));
        let legacy =
            tokens(br#"{"accessToken":"a","expiresIn":28800}"#, now(), now(), client(), None).unwrap();
        assert_eq!(legacy.refresh_token, None);
    }

    #[test]
    fn optional_members_of_registrations_and_device_codes_may_be_null() {
        for end in ["null", "0"] {
            let body = format!(
                r#"{{"clientId":"c","clientSecret":"s","clientIdIssuedAt":null,"clientSecretExpiresAt":{end},
                "authorizationEndpoint":null,"tokenEndpoint":null}}"#
            );
            let registered = registration(body.as_bytes(), now()).unwrap();
            assert_eq!(registered.expires_at, now().plus(REGISTRATION_LIFETIME), "{end}");
        }
        let device = |uri: &str, complete: &str| {
            device_authorization(
                format!(
                    r#"{{"deviceCode":"d","userCode":"u","verificationUri":{uri},"verificationUriComplete":{complete},
                    "expiresIn":null,"interval":null}}"#
                )
                .as_bytes(),
            )
        };
        for (uri, complete) in [(r#""https://x""#, "null"), ("null", r#""https://x""#)] {
            let started = device(uri, complete).unwrap();
            assert_eq!(
                (&*started.verification_uri, &*started.verification_uri_complete),
                ("https://x", "https://x")
            );
            assert_eq!(
                (started.expires_in, started.interval),
                (DEVICE_CODE_LIFETIME, Duration::from_secs(5))
            );
        }
        assert!(matches!(device("null", "null"), Err(IdentityError::Unavailable(_))));
    }

    #[test]
    fn an_answer_that_lacks_what_it_is_for_is_unavailable() {
        let lacks =
            |outcome: IdentityError| assert!(matches!(outcome, IdentityError::Unavailable(_)), "{outcome}");
        for body in [r#"{"accessToken":null,"expiresIn":1}"#, "{}", "[]", "<html>", ""] {
            lacks(tokens(body.as_bytes(), now(), now(), client(), None).unwrap_err());
            lacks(registration(body.as_bytes(), now()).unwrap_err());
            lacks(device_authorization(body.as_bytes()).unwrap_err());
        }
        for body in [r#"{"roleCredentials":null}"#, r#"{"roleCredentials":{"accessKeyId":"A"}}"#, "<html>"] {
            lacks(role_credentials(body.as_bytes(), now(), now()).unwrap_err());
        }
    }
}
