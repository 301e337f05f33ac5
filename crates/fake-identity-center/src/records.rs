//! The records that the state machine stores: clients, codes, portal sessions and tokens.

use serde::Deserialize;
use ssod_model::Timestamp;

/// The input of RegisterClient.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    /// The client's name, which users see.
    pub client_name: Option<String>,
    /// Only `public` is allowed.
    pub client_type: Option<String>,
    /// The scopes of its tokens.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// The grants that the client will use.
    #[serde(default)]
    pub grant_types: Vec<String>,
    /// The allowed redirect URIs.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// The start URL, for the browser flow.
    pub issuer_url: Option<String>,
}

/// A registered client.
#[derive(Clone, Debug)]
pub(crate) struct RegisteredClient {
    pub(crate) secret: String,
    pub(crate) expires_at: Timestamp,
    pub(crate) registration: Registration,
}

/// A device code and its outcome.
#[derive(Clone, Debug)]
pub(crate) struct DeviceRequest {
    pub(crate) client_id: String,
    pub(crate) user_code: String,
    pub(crate) expires_at: Timestamp,
    pub(crate) last_poll: Option<Timestamp>,
    pub(crate) outcome: DeviceOutcome,
}

/// The user's answer to a device code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DeviceOutcome {
    Pending,
    Approved { user: String },
    Denied,
}

/// An authorization code, which the browser passes to the client.
#[derive(Clone, Debug)]
pub(crate) struct AuthorizationCode {
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: String,
    pub(crate) expires_at: Timestamp,
    pub(crate) user: String,
}

/// A user who is signed in at the portal.
#[derive(Clone, Debug)]
pub(crate) struct PortalSession {
    pub(crate) user: String,
    pub(crate) ends_at: Timestamp,
}

/// An access token.
#[derive(Clone, Debug)]
pub(crate) struct AccessTokenRecord {
    pub(crate) portal_session: u64,
    pub(crate) expires_at: Timestamp,
}

/// A refresh token.
#[derive(Clone, Debug)]
pub(crate) struct RefreshTokenRecord {
    pub(crate) portal_session: u64,
    pub(crate) client_id: String,
}
