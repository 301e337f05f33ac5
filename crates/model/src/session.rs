//! A sign-in: what the configuration says of it, and what AWS gave for it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::{Region, Secret, SessionName, SignInFlow, StartUrl, TimestampExt};

/// An `[sso-session NAME]` block, or the session that a legacy profile implies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SsoSession {
    /// Its name; a legacy profile's session is named after its start URL.
    pub name: SessionName,
    /// Where people sign in.
    pub start_url: StartUrl,
    /// Identity Center's home region, which is never the profile's own `region`.
    pub region: Region,
    /// Scopes asked for at registration.
    pub scopes: Vec<String>,
    /// Which hosts to call for it.
    pub endpoints: Endpoints,
}

/// How the hosts of the two services are chosen when it is not by region alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Base URL that replaces `portal.sso.REGION…`.
    pub portal: Option<String>,
    /// Base URL that replaces `oidc.REGION…`.
    pub oidc: Option<String>,
    /// Use FIPS hosts.
    pub fips: bool,
    /// Use dual-stack hosts.
    pub dual_stack: bool,
}

/// A public OAuth client, as RegisterClient made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRegistration {
    /// The client's id; not secret.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: Secret,
    /// When AWS forgets it.
    pub expires_at: Timestamp,
}

/// A session's tokens, always whole: the client they belong to stands with them, because a refresh token
/// is bound to the client that got it (RFC 6749, section 6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionTokens {
    /// The portal's bearer token.
    pub access_token: Secret,
    /// When these were received; with `expires_at` it tells their whole life.
    pub issued_at: Timestamp,
    /// When the access token ends.
    pub expires_at: Timestamp,
    /// Absent for sign-ins without `sso:account:access`, which AWS never renews.
    pub refresh_token: Option<Secret>,
    /// The client that got them.
    pub client: ClientRegistration,
}

/// All that is kept of one session between two runs of the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// Whose record it is.
    pub name: SessionName,
    /// Where it signed in: a record is void when the configuration now names another place.
    pub start_url: StartUrl,
    /// The region it signed in at.
    pub region: Region,
    /// One registration for each flow; AWS refuses a client for both.
    pub registrations: BTreeMap<SignInFlow, ClientRegistration>,
    /// None when signed out.
    pub tokens: Option<SessionTokens>,
    /// When a person signed in; renewals do not move it.
    pub signed_in_at: Option<Timestamp>,
}

impl SessionTokens {
    /// Returns the whole life of the access token.
    pub fn life(&self) -> Duration {
        self.expires_at.since_or_zero(self.issued_at)
    }
}

impl SessionRecord {
    /// The record of a session that never signed in.
    pub fn empty(session: &SsoSession) -> Self {
        Self {
            name: session.name.clone(),
            start_url: session.start_url.clone(),
            region: session.region.clone(),
            registrations: BTreeMap::new(),
            tokens: None,
            signed_in_at: None,
        }
    }

    /// Whether it was made for this session as it is configured now.
    pub fn belongs_to(&self, session: &SsoSession) -> bool {
        self.name == session.name && self.start_url == session.start_url && self.region == session.region
    }
}
