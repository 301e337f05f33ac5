//! One session: its configuration, its record, and the work on it.

use std::fmt;
use std::sync::Arc;

use ssod_model::{ProfileName, Region, SessionRecord, SessionTokens, SsoSession, StartUrl, Timestamp};

use super::in_flight::{Completion, InFlight, is_in_flight, joinable};
use super::retry::RetryState;
use crate::decide::{Lifetime, SessionFacts, TokenState, seed};

/// One session. It outlives its configuration, so a half-saved config file does not sign the user out.
#[derive(Default)]
pub(crate) struct SessionEntry {
    pub(super) config: Option<Arc<SsoSession>>,
    /// The start URL and region of its last configuration, also while it is not configured.
    pub(super) location: Option<(StartUrl, Region)>,
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
    /// The session, if it is configured.
    pub(crate) config: Option<Arc<SsoSession>>,
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
