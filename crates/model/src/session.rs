//! A session: its configuration, and the tokens that AWS issued for it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::{Destinations, Endpoints, Region, Secret, SessionName, SignInFlow, StartUrl, TimestampExt};

/// An `[sso-session NAME]` block, or the session that a legacy profile implies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SsoSession {
    /// Its name; a legacy profile's session is named after its start URL.
    pub name: SessionName,
    /// Where users sign in.
    pub start_url: StartUrl,
    /// The home region of Identity Center. It is never the `region` of a profile.
    pub region: Region,
    /// The scopes to request at registration.
    pub scopes: Vec<String>,
    /// The hosts to call for it.
    pub endpoints: Endpoints,
}

impl SsoSession {
    /// Returns whether it is implied by profiles that have a start URL of their own, and no section of the file.
    pub fn is_legacy(&self) -> bool {
        self.name.as_str() == self.start_url.as_str()
    }
}

/// A public OAuth client that RegisterClient created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRegistration {
    /// The client's id, which is not a secret.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: Secret,
    /// When the registration expires.
    pub expires_at: Timestamp,
}

/// A session's tokens, always the complete set. It includes the client, because a refresh token is bound to the client
/// that it was issued to (RFC 6749, section 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionTokens {
    /// The bearer token for the portal.
    pub access_token: Secret,
    /// When they were received. The whole life of the access token is from here to `expires_at`.
    pub issued_at: Timestamp,
    /// When the access token expires.
    pub expires_at: Timestamp,
    /// `None` for sign-ins without `sso:account:access`, which AWS never renews.
    pub refresh_token: Option<Secret>,
    /// The client that they were issued to.
    pub client: ClientRegistration,
}

/// The data of one session that the daemon stores between two runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// The name of the session.
    pub name: SessionName,
    /// Where the user signed in. The record is void if the configuration now names another URL or region.
    pub start_url: StartUrl,
    /// The region of the sign-in.
    pub region: Region,
    /// The endpoints that issued the secrets below, which are sent to no others.
    pub destinations: Destinations,
    /// One registration for each flow, because AWS accepts a client for one flow only.
    pub registrations: BTreeMap<SignInFlow, ClientRegistration>,
    /// `None` if the user is signed out.
    pub tokens: Option<SessionTokens>,
    /// When the user signed in. Renewals do not change it.
    pub signed_in_at: Option<Timestamp>,
}

impl SessionTokens {
    /// Returns the whole life of the access token.
    pub fn life(&self) -> Duration {
        self.expires_at.since_or_zero(self.issued_at)
    }
}

impl SessionRecord {
    /// Returns the record of a session without a sign-in.
    pub fn empty(session: &SsoSession) -> Self {
        Self {
            name: session.name.clone(),
            start_url: session.start_url.clone(),
            region: session.region.clone(),
            destinations: Destinations::of(&session.endpoints),
            registrations: BTreeMap::new(),
            tokens: None,
            signed_in_at: None,
        }
    }

    /// Returns whether the record is for this session as it is configured now, so that its secrets may be sent to the
    /// session's endpoints.
    pub fn belongs_to(&self, session: &SsoSession) -> bool {
        self.name == session.name && self.is_at(session) && self.destinations.include(&session.endpoints)
    }

    /// Returns whether the sign-in was made at the session's start URL and region.
    pub fn is_at(&self, session: &SsoSession) -> bool {
        self.start_url == session.start_url && self.region == session.region
    }
}
