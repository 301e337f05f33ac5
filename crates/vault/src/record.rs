//! The JSON in the sealed files. Fields are only added, never removed or renamed, so that older files stay readable.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use ssod_model::{
    CachedCredentials, ClientRegistration, Destinations, EndpointTokens, InvalidName, ProfileName, Region,
    RoleCredentials, RoleId, Secret, SessionName, SessionRecord, SessionTokens, SignInFlow, StartUrl,
    Timestamp, TokenSet,
};

#[derive(Serialize, Deserialize)]
pub(crate) struct SessionFile {
    name: String,
    start_url: String,
    region: String,
    registrations: BTreeMap<String, RegistrationEntry>,
    tokens: Option<TokensEntry>,
    #[serde(default)]
    signed_in_at: Option<i64>,
    /// `None` in a file of a version that did not record them.
    #[serde(default)]
    destinations: Option<DestinationsEntry>,
}

#[derive(Serialize, Deserialize)]
struct DestinationsEntry {
    oidc: Option<String>,
    portal: Option<String>,
    profile_portals: BTreeSet<String>,
}

#[derive(Serialize, Deserialize)]
struct RegistrationEntry {
    client_id: String,
    client_secret: String,
    expires_at: i64,
}

#[derive(Serialize, Deserialize)]
struct TokensEntry {
    access_token: String,
    issued_at: i64,
    expires_at: i64,
    refresh_token: Option<String>,
    client: RegistrationEntry,
}

/// Borrows when it is saved, because copying ten thousand credentials would be slow.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct CredentialsFile<'a> {
    credentials: Vec<CredentialsEntry<'a>>,
}

#[derive(Serialize, Deserialize)]
struct CredentialsEntry<'a> {
    profile: Cow<'a, str>,
    session: Cow<'a, str>,
    role: Cow<'a, str>,
    access_key_id: Cow<'a, str>,
    secret_access_key: Cow<'a, str>,
    session_token: Cow<'a, str>,
    issued_at: i64,
    expiration: i64,
    last_used: Option<i64>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct EndpointTokensFile {
    #[serde(flatten)]
    current: TokenSetEntry,
    #[serde(default)]
    previous: Option<TokenSetEntry>,
}

#[derive(Serialize, Deserialize)]
struct TokenSetEntry {
    active: Option<String>,
    profiles: BTreeMap<String, String>,
    #[serde(default)]
    issued_at: Option<i64>,
}

impl From<&SessionRecord> for SessionFile {
    fn from(record: &SessionRecord) -> Self {
        let registrations =
            record.registrations.iter().map(|(flow, client)| (flow.to_string(), client.into())).collect();
        Self {
            name: record.name.to_string(),
            start_url: record.start_url.to_string(),
            region: record.region.to_string(),
            registrations,
            tokens: record.tokens.as_ref().map(|tokens| TokensEntry {
                access_token: tokens.access_token.expose().to_owned(),
                issued_at: tokens.issued_at.as_millisecond(),
                expires_at: tokens.expires_at.as_millisecond(),
                refresh_token: tokens.refresh_token.as_ref().map(|token| token.expose().to_owned()),
                client: (&tokens.client).into(),
            }),
            signed_in_at: record.signed_in_at.map(Timestamp::as_millisecond),
            destinations: Some(DestinationsEntry {
                oidc: record.destinations.oidc.clone(),
                portal: record.destinations.portal.clone(),
                profile_portals: record.destinations.profile_portals.clone(),
            }),
        }
    }
}

impl TryFrom<SessionFile> for SessionRecord {
    type Error = InvalidName;

    fn try_from(file: SessionFile) -> Result<Self, InvalidName> {
        let registrations = SignInFlow::ALL
            .into_iter()
            .zip(SignInFlow::ALL.map(|flow| file.registrations.get(flow.as_str()).map(Into::into)))
            .filter_map(|(flow, client)| Some((flow, client?)))
            .collect();
        let start_url = StartUrl::parse(&file.start_url)?;
        let destinations = match file.destinations {
            Some(DestinationsEntry { oidc, portal, profile_portals }) => {
                Destinations { oidc, portal, profile_portals }
            }
            None => Destinations::assumed_for(&start_url),
        };
        Ok(Self {
            name: SessionName::parse(&file.name)?,
            start_url,
            region: Region::parse(&file.region)?,
            destinations,
            registrations,
            tokens: file.tokens.map(|tokens| SessionTokens {
                client: (&tokens.client).into(),
                access_token: tokens.access_token.into(),
                issued_at: timestamp(tokens.issued_at),
                expires_at: timestamp(tokens.expires_at),
                refresh_token: tokens.refresh_token.map(Secret::from),
            }),
            signed_in_at: file.signed_in_at.map(timestamp),
        })
    }
}

impl From<&ClientRegistration> for RegistrationEntry {
    fn from(client: &ClientRegistration) -> Self {
        Self {
            client_id: client.client_id.clone(),
            client_secret: client.client_secret.expose().to_owned(),
            expires_at: client.expires_at.as_millisecond(),
        }
    }
}

impl From<&RegistrationEntry> for ClientRegistration {
    fn from(entry: &RegistrationEntry) -> Self {
        Self {
            client_id: entry.client_id.clone(),
            client_secret: Secret::new(entry.client_secret.clone()),
            expires_at: timestamp(entry.expires_at),
        }
    }
}

impl<'a> From<&'a [CachedCredentials]> for CredentialsFile<'a> {
    fn from(cached: &'a [CachedCredentials]) -> Self {
        let entry = |cached: &'a CachedCredentials| CredentialsEntry {
            profile: cached.profile.as_str().into(),
            session: cached.session.as_str().into(),
            role: cached.role.to_string().into(),
            access_key_id: cached.credentials.access_key_id.as_str().into(),
            secret_access_key: cached.credentials.secret_access_key.expose().into(),
            session_token: cached.credentials.session_token.expose().into(),
            issued_at: cached.credentials.issued_at.as_millisecond(),
            expiration: cached.credentials.expiration.as_millisecond(),
            last_used: cached.last_used.map(Timestamp::as_millisecond),
        };
        Self { credentials: cached.iter().map(entry).collect() }
    }
}

impl TryFrom<CredentialsFile<'_>> for Vec<CachedCredentials> {
    type Error = InvalidName;

    fn try_from(file: CredentialsFile<'_>) -> Result<Self, InvalidName> {
        let entry = |entry: CredentialsEntry<'_>| {
            Ok(CachedCredentials {
                profile: ProfileName::parse(&entry.profile)?,
                session: SessionName::parse(&entry.session)?,
                role: RoleId::parse(&entry.role)?,
                credentials: Arc::new(RoleCredentials {
                    access_key_id: entry.access_key_id.into_owned(),
                    secret_access_key: entry.secret_access_key.into_owned().into(),
                    session_token: entry.session_token.into_owned().into(),
                    issued_at: timestamp(entry.issued_at),
                    expiration: timestamp(entry.expiration),
                }),
                last_used: entry.last_used.map(timestamp),
            })
        };
        file.credentials.into_iter().map(entry).collect()
    }
}

impl From<&EndpointTokens> for EndpointTokensFile {
    fn from(tokens: &EndpointTokens) -> Self {
        Self { current: (&tokens.current).into(), previous: tokens.previous.as_ref().map(Into::into) }
    }
}

impl TryFrom<EndpointTokensFile> for EndpointTokens {
    type Error = InvalidName;

    fn try_from(file: EndpointTokensFile) -> Result<Self, InvalidName> {
        Ok(Self {
            current: file.current.try_into()?,
            previous: file.previous.map(TokenSet::try_from).transpose()?,
        })
    }
}

impl From<&TokenSet> for TokenSetEntry {
    fn from(tokens: &TokenSet) -> Self {
        let text = |secret: &Secret| secret.expose().to_owned();
        Self {
            active: tokens.active.as_ref().map(text),
            profiles: tokens.profiles.iter().map(|(name, token)| (name.to_string(), text(token))).collect(),
            issued_at: tokens.issued_at.map(Timestamp::as_millisecond),
        }
    }
}

impl TryFrom<TokenSetEntry> for TokenSet {
    type Error = InvalidName;

    fn try_from(entry: TokenSetEntry) -> Result<Self, InvalidName> {
        let profiles = entry.profiles.into_iter();
        Ok(Self {
            issued_at: entry.issued_at.map(timestamp),
            active: entry.active.map(Secret::from),
            profiles: profiles
                .map(|(name, token)| Ok((ProfileName::parse(&name)?, token.into())))
                .collect::<Result<_, InvalidName>>()?,
        })
    }
}

/// Converts milliseconds since 1970. A number outside the calendar, which only a damaged file has, becomes the earliest
/// time.
fn timestamp(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MIN)
}
