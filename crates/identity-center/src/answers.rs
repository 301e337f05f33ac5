//! What AWS's answers mean. Pure: bodies in, nouns out; whatever a hostile server sends ends here as an error.

use std::time::Duration;

use serde::de::DeserializeOwned;
use ssod_model::{
    Account, AccountId, ClientRegistration, DeviceAuthorization, IdentityError, RoleCredentials, RoleName,
    Secret, SessionTokens, Timestamp, TimestampExt,
};

use crate::errors::plain;
use crate::operation::Service;
use crate::wire;

/// A permission set lasts 12 hours at most and a registration about 90 days: what claims to last longer is clamped.
const MAX_LIFE: Duration = Duration::from_hours(8784);

/// The life of a registration whose end AWS does not tell: the shortest that users report. A registration that is
/// unknown at the next sign-in is made again.
const REGISTRATION_LIFE: Duration = Duration::from_hours(24);
/// The life of an access token whose end AWS does not tell: AWS's last an hour. The portal tells when one ends earlier.
const TOKEN_LIFE: Duration = Duration::from_hours(1);
/// The life of a device code whose end AWS does not tell, as in the AWS CLI.
const CODE_LIFE: Duration = Duration::from_mins(10);

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
    // RFC 7591, section 3.2.1: zero means that there is no end.
    let expires_at = match made.client_secret_expires_at.filter(|seconds| *seconds != 0) {
        Some(seconds) => clamped(Timestamp::from_second(seconds), now)?,
        None => now.plus(REGISTRATION_LIFE),
    };
    Ok(ClientRegistration { client_id: made.client_id, client_secret: made.client_secret.into(), expires_at })
}

/// StartDeviceAuthorization's.
pub fn device_authorization(body: &[u8]) -> Result<DeviceAuthorization, IdentityError> {
    let started: wire::StartedDeviceAuthorization = decode(Service::Oidc, body)?;
    let (uri, complete) = (started.verification_uri, started.verification_uri_complete);
    let lacks_page = || IdentityError::Unavailable(format!("{} named no page to sign in on", Service::Oidc));
    let complete = complete.or_else(|| uri.clone()).ok_or_else(lacks_page)?;
    let interval = started.interval.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(5);
    Ok(DeviceAuthorization {
        device_code: started.device_code.into(),
        user_code: plain(&started.user_code),
        verification_uri: uri.unwrap_or_else(|| complete.clone()),
        verification_uri_complete: complete,
        expires_in: started.expires_in.map_or(CODE_LIFE, lifetime),
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
        expires_at: now.plus(made.expires_in.map_or(TOKEN_LIFE, lifetime)),
        refresh_token: made.refresh_token.filter(|token| !token.is_empty()).map(Secret::from).or(kept),
        client,
    })
}

/// ListAccounts'.
pub fn accounts(body: &[u8]) -> Result<Page<Account>, IdentityError> {
    let page: wire::AccountPage = decode(Service::Portal, body)?;
    let account = |entry: wire::AccountEntry| {
        let id = AccountId::parse(&entry.account_id?).ok()?;
        let text = |text: Option<String>| plain(&text.unwrap_or_default());
        Some(Account { id, name: text(entry.account_name), email: text(entry.email_address) })
    };
    let entries = page.account_list.into_iter().flatten().flatten().filter_map(account).collect();
    Ok(Page { entries, next: page.next_token.filter(|token| !token.is_empty()) })
}

/// ListAccountRoles'.
pub fn roles(body: &[u8]) -> Result<Page<RoleName>, IdentityError> {
    let page: wire::RolePage = decode(Service::Portal, body)?;
    let role = |entry: wire::RoleEntry| RoleName::parse(&entry.role_name?).ok();
    let entries = page.role_list.into_iter().flatten().flatten().filter_map(role).collect();
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
        let what =
            if error.is_data() { "JSON that lacks what was asked for" } else { "something that is not JSON" };
        IdentityError::Unavailable(format!("{service} answered with {what}"))
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
        assert_eq!(page.next, None);
        let body =
            br#"{"roleList":[{"roleName":"R","accountId":null},{"roleName":null},null],"nextToken":""}"#;
        let page = roles(body).unwrap();
        assert_eq!((page.entries.len(), page.next), (1, None));
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
        assert_eq!(renewed.expires_at, now().plus(TOKEN_LIFE));
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
            let made = registration(body.as_bytes(), now()).unwrap();
            assert_eq!(made.expires_at, now().plus(REGISTRATION_LIFE), "{end}");
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
            assert_eq!((started.expires_in, started.interval), (CODE_LIFE, Duration::from_secs(5)));
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
