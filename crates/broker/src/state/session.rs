//! One session: its configuration, its record, and the work on it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use ssod_model::{
    Destinations, Profile, ProfileName, Region, Secret, SessionRecord, SessionTokens, SsoSession, StartUrl,
    Timestamp,
};

use super::in_flight::{Completion, InFlight, is_in_flight, joinable};
use super::retry::RetryState;
use crate::decide::{Lifetime, SessionFacts, TokenState, seed};

/// One session. It outlives its configuration, so a half-saved config file does not sign the user out.
#[derive(Default)]
pub(crate) struct SessionEntry {
    pub(super) config: Option<Arc<SsoSession>>,
    /// The location of its last configuration, also while it is not configured.
    pub(super) location: Option<SignInLocation>,
    pub(super) record: Option<SessionRecord>,
    /// Grows with each sign-in, sign-out and change of location (not with a renewal). The result of work that was
    /// started under an older generation is discarded.
    pub(super) generation: u64,
    /// Why AWS ended the session, if AWS did.
    pub(super) ended: Option<EndReason>,
    /// The number of sign-ins in progress.
    pub(super) signing_in: usize,
    pub(super) retry: Option<RetryState>,
    pub(super) renewal: Option<InFlight>,
    /// When to save the record again: a save failed, so the record in memory is newer than the one on disk.
    pub(super) save_at: Option<Timestamp>,
}

/// Where the sign-ins of a session are made. Tokens and credentials are void at another location.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SignInLocation {
    pub(super) start_url: StartUrl,
    pub(super) region: Region,
    /// The endpoints of the session, without those of single profiles.
    endpoints: Destinations,
}

/// An access token, with the session whose endpoints may get it. Both are read at the same time, so a token never goes
/// to the endpoints of a later configuration.
#[derive(Clone)]
pub struct BoundToken {
    /// The session.
    pub session: Arc<SsoSession>,
    /// The token.
    pub secret: Secret,
    destinations: Destinations,
}

/// Due work on a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionStep {
    /// Save its record again.
    Save,
    /// Renew its token.
    Renew,
}

/// The part of the state that a sign-out removed from memory.
pub(crate) struct SignedOut {
    /// The session to call with its tokens, or the reason why they may be sent to no endpoint.
    pub(crate) session: Result<Arc<SsoSession>, &'static str>,
    /// Its tokens, if it was signed in.
    pub(crate) tokens: Option<SessionTokens>,
    /// Credentials that AWS accepts until they expire.
    pub(crate) still_valid: Vec<(ProfileName, Timestamp)>,
}

/// Why AWS no longer accepts a session's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndReason {
    /// The refresh token is no longer valid.
    Grant,
    /// AWS no longer knows the client that signed in.
    Client,
    /// The portal refuses even a new token.
    Portal,
}

impl fmt::Display for EndReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Grant => "the sign-in has ended at AWS",
            Self::Client => "AWS no longer knows the client that signed in",
            Self::Portal => "the portal no longer accepts its tokens",
        })
    }
}

impl SignInLocation {
    pub(super) fn of_session(session: &SsoSession) -> Self {
        let (start_url, region) = (session.start_url.clone(), session.region.clone());
        Self { start_url, region, endpoints: Destinations::of(&session.endpoints) }
    }

    pub(super) fn of_record(record: &SessionRecord) -> Self {
        let (start_url, region) = (record.start_url.clone(), record.region.clone());
        let Destinations { oidc, portal, .. } = record.destinations.clone();
        Self { start_url, region, endpoints: Destinations { oidc, portal, ..Destinations::default() } }
    }

    /// Returns whether both are the same directory of users, whatever the endpoints are.
    pub(super) fn has_same_portal(&self, other: &Self) -> bool {
        self.start_url == other.start_url && self.region == other.region
    }
}

impl BoundToken {
    /// Returns the session as the profile's own calls use it; `None` if the profile names a portal that may not get
    /// this token.
    pub(crate) fn session_for(&self, profile: &Profile) -> Option<Cow<'_, SsoSession>> {
        self.destinations
            .include_portal_of(profile.endpoints.as_ref())
            .then(|| profile.session_for_calls(&self.session))
    }
}

impl SessionEntry {
    /// Returns the session as it is configured now.
    pub(crate) fn config(&self) -> Option<&Arc<SsoSession>> {
        self.config.as_ref()
    }

    /// Returns its stored record.
    pub(crate) fn record(&self) -> Option<&SessionRecord> {
        self.record.as_ref()
    }

    /// Returns its generation; the result of work for an older one is discarded.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns why AWS ended it, if AWS did.
    pub(crate) fn ended(&self) -> Option<EndReason> {
        self.ended
    }

    /// Returns whether a sign-in is in progress.
    pub(crate) fn is_signing_in(&self) -> bool {
        self.signing_in > 0
    }

    /// Returns the state of the retries, if the last renewal of its token failed.
    pub(crate) fn retry(&self) -> Option<&RetryState> {
        self.retry.as_ref()
    }

    /// Returns when its record must be saved again, if the last save failed.
    pub(crate) fn save_at(&self) -> Option<Timestamp> {
        self.save_at
    }

    /// Returns the renewal in progress that a caller can join.
    pub(crate) fn joinable_renewal(&self) -> Option<Completion> {
        joinable(self.renewal.as_ref(), self.generation)
    }

    /// Returns the renewal in progress, even if its result will be discarded.
    pub(crate) fn renewal(&self) -> Option<Completion> {
        self.renewal.as_ref().filter(|work| is_in_flight(Some(work))).map(InFlight::completion)
    }

    /// Returns the tokens, if they belong to the session as it is configured now.
    pub(crate) fn tokens(&self) -> Option<&SessionTokens> {
        let (config, record) = (self.config.as_ref()?, self.record.as_ref()?);
        record.tokens.as_ref().filter(|_| record.belongs_to(config))
    }

    /// Returns the access token, if it belongs to the session as it is configured now.
    pub(crate) fn access_token(&self) -> Option<BoundToken> {
        let (config, record, tokens) = (self.config.as_ref()?, self.record.as_ref()?, self.tokens()?);
        Some(BoundToken {
            session: config.clone(),
            secret: tokens.access_token.clone(),
            destinations: record.destinations.clone(),
        })
    }

    /// Returns why the tokens do not belong to the session as it is configured now, if there are any.
    pub(crate) fn unusable_tokens(&self) -> Option<&'static str> {
        let record = self.record.as_ref().filter(|record| record.tokens.is_some())?;
        match self.config.as_ref() {
            None => Some("the session is no longer in the AWS config file"),
            Some(config) if record.belongs_to(config) => None,
            Some(config) if record.is_at(config) => Some("its endpoints have changed since the sign-in"),
            Some(_) => Some("its start URL or region has changed since the sign-in"),
        }
    }

    /// Returns when its access token was issued and when it expires.
    pub(super) fn lifetime(&self) -> Option<Lifetime> {
        let tokens = self.tokens()?;
        Some(Lifetime { issued_at: tokens.issued_at, expires_at: tokens.expires_at })
    }

    /// Returns what the policy needs to know.
    pub(crate) fn facts(&self) -> SessionFacts {
        let token = self.tokens().map_or(TokenState::SignedOut, |tokens| TokenState::SignedIn {
            token: Lifetime { issued_at: tokens.issued_at, expires_at: tokens.expires_at },
            refreshable: tokens.refresh_token.is_some(),
        });
        let name = self.config.as_ref().map(|config| &config.name);
        SessionFacts {
            token,
            retry_at: self.retry.as_ref().map(RetryState::retry_at),
            renewing: is_in_flight(self.renewal.as_ref()),
            seed: seed(name),
        }
    }

    /// Returns the same for the calls of a profile. A profile that names a portal of its own needs a sign-in that was
    /// made with that portal.
    pub(crate) fn facts_for(&self, profile: &Profile) -> SessionFacts {
        let facts = self.facts();
        match &self.record {
            Some(record) if !record.destinations.include_portal_of(profile.endpoints.as_ref()) => {
                SessionFacts { token: TokenState::SignedOut, ..facts }
            }
            _ => facts,
        }
    }

    /// Returns the record to change: the present one, or an empty one if the present one belongs to another
    /// configuration.
    pub(crate) fn record_for(&self, config: &SsoSession) -> SessionRecord {
        self.record
            .clone()
            .filter(|record| record.belongs_to(config))
            .unwrap_or_else(|| SessionRecord::empty(config))
    }

    /// Starts a new generation: the results of work in progress are discarded, and earlier failures no longer count.
    pub(super) fn begin_generation(&mut self, ended: Option<EndReason>) {
        self.generation += 1;
        self.ended = ended;
        self.retry = None;
    }
}
