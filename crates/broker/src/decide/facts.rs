//! The facts that the policy needs to know.

use std::time::Duration;

use ssod_model::{Timestamp, TimestampExt};

/// When credentials or a token were issued, and when they expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// When they were received.
    pub issued_at: Timestamp,
    /// When they expire.
    pub expires_at: Timestamp,
}

impl Lifetime {
    /// Returns half of the lifetime.
    pub(super) fn half(self) -> Duration {
        self.expires_at.since_or_zero(self.issued_at) / 2
    }

    /// Returns whether the lifetime has ended.
    pub(super) fn has_expired(self, now: Timestamp) -> bool {
        now >= self.expires_at
    }

    /// Returns whether at least `floor` remains. Half of the lifetime is enough, so a short lifetime can satisfy it.
    pub(super) fn has_remaining(self, now: Timestamp, floor: Duration) -> bool {
        self.expires_at.since_or_zero(now) >= floor.min(self.half())
    }
}

/// Whether a session has tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// There are none; the user must sign in.
    SignedOut,
    /// There are some.
    SignedIn {
        /// The lifetime of the access token.
        token: Lifetime,
        /// Whether there is a refresh token.
        refreshable: bool,
    },
}

/// What the policy needs to know about a session.
#[derive(Clone, Copy, Debug)]
pub struct SessionFacts {
    /// Its tokens.
    pub token: TokenState,
    /// The earliest start of the next renewal, if the last one failed.
    pub retry_at: Option<Timestamp>,
    /// Whether a renewal of the token is in progress.
    pub renewing: bool,
    /// Spreads renewals over time; it is constant for one session.
    pub seed: u64,
}

/// Why the last fetch of a profile's credentials failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchFailure {
    /// A retry may succeed.
    Transient {
        /// The earliest start of the next attempt.
        retry_at: Timestamp,
    },
    /// AWS refused.
    Refused {
        /// The earliest start of the next attempt.
        retry_at: Timestamp,
    },
}

impl FetchFailure {
    /// Returns the earliest start of the next attempt.
    pub(super) fn retry_at(self) -> Timestamp {
        match self {
            Self::Transient { retry_at } | Self::Refused { retry_at } => retry_at,
        }
    }
}

/// What the policy needs to know about a profile.
#[derive(Clone, Copy, Debug)]
pub struct ProfileFacts {
    /// The credentials in memory.
    pub held: Option<Lifetime>,
    /// The last failure, if no success followed.
    pub failure: Option<FetchFailure>,
    /// Whether the timer keeps it fresh; other profiles are fetched on request.
    pub kept_fresh: bool,
    /// Whether a fetch is in progress.
    pub fetching: bool,
    /// Spreads renewals over time; it is constant for one profile.
    pub seed: u64,
}
