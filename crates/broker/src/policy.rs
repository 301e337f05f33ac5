//! The settings of the broker.

use std::collections::BTreeSet;
use std::time::Duration;

use ssod_model::ProfileName;

/// Which profiles the timer keeps fresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeepFresh {
    /// The profiles that were used within [`Policy::idle_after`].
    Used,
    /// All profiles.
    All,
    /// The listed profiles.
    Listed(BTreeSet<ProfileName>),
}

impl KeepFresh {
    /// Returns whether the timer keeps that profile fresh.
    pub(crate) fn covers(&self, name: &ProfileName, used_recently: bool) -> bool {
        match self {
            Self::Used => used_recently,
            Self::All => true,
            Self::Listed(names) => names.contains(name),
        }
    }
}

/// The settings of the broker, which the user can change.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Which profiles the timer keeps fresh.
    pub keep_fresh: KeepFresh,
    /// How long an unused profile is kept fresh.
    pub idle_after: Duration,
    /// Calls to the portal per second.
    pub portal_rate: f64,
    /// How long a sign-in lasts at AWS, if the administrator's setting is known; AWS does not return it.
    pub session_length: Option<Duration>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            keep_fresh: KeepFresh::Used,
            idle_after: Duration::from_hours(12),
            portal_rate: 10.0,
            session_length: None,
        }
    }
}
