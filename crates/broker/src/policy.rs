//! What the user can set.

use std::collections::BTreeSet;
use std::time::Duration;

use ssod_model::ProfileName;

/// Which profiles the timer keeps fresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeepFresh {
    /// Those that were used within [`Policy::idle_after`].
    Used,
    /// All of them.
    All,
    /// These.
    Listed(BTreeSet<ProfileName>),
}

impl KeepFresh {
    /// Whether the timer keeps that profile fresh.
    pub(crate) fn covers(&self, name: &ProfileName, used_recently: bool) -> bool {
        match self {
            Self::Used => used_recently,
            Self::All => true,
            Self::Listed(names) => names.contains(name),
        }
    }
}

/// What the user can set.
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
