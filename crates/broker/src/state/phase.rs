//! Whether secrets are in memory, and whether they may be served.

use ssod_model::Refusal;

/// Why the vault is sealed, and what the user can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealReason {
    /// The problem, as a sentence.
    pub reason: String,
    /// What to do.
    pub remedy: String,
}

/// Why the broker serves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotOpen {
    /// The vault is being opened, which takes a moment.
    Opening,
    /// The vault is sealed until it is unlocked.
    Sealed(SealReason),
}

impl NotOpen {
    /// Returns the refusal that an SDK shows.
    pub(crate) fn refusal(self) -> Refusal {
        match self {
            Self::Opening => Refusal::Opening,
            Self::Sealed(SealReason { reason, remedy }) => Refusal::Locked { reason, remedy },
        }
    }
}

/// What the broker may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing is loaded yet.
    #[default]
    Opening,
    /// It serves and renews.
    Open,
    /// It serves nothing and starts nothing, but still holds the secrets: renewals in progress must end and be saved
    /// first.
    Sealing {
        /// Why.
        why: SealReason,
    },
    /// It holds no secret.
    Sealed {
        /// Why.
        why: SealReason,
    },
    /// The daemon stops: nothing new starts. What was held is still served and saved.
    Stopping {
        /// The phase in which the stop arrived.
        from: Box<Phase>,
    },
}

impl Phase {
    /// Returns whether new work may start.
    pub(crate) fn accepts_work(&self) -> bool {
        *self == Self::Open
    }

    /// Returns whether the stored secrets are in memory. If they are not, saving would delete them.
    pub(crate) fn holds_secrets(&self) -> bool {
        match self {
            Self::Open | Self::Sealing { .. } => true,
            Self::Opening | Self::Sealed { .. } => false,
            Self::Stopping { from } => from.holds_secrets(),
        }
    }

    /// Returns why nothing is served; `None` if the broker serves.
    pub(crate) fn not_open(&self) -> Option<NotOpen> {
        match self {
            Self::Open => None,
            Self::Opening => Some(NotOpen::Opening),
            Self::Sealing { why } | Self::Sealed { why } => Some(NotOpen::Sealed(why.clone())),
            Self::Stopping { from } => from.not_open(),
        }
    }

    /// Starts to serve: the stored secrets were loaded.
    pub(crate) fn opened(&mut self) {
        *self.unless_stopping() = Self::Open;
    }

    /// Stops serving; secrets stay in memory until they are saved.
    pub(crate) fn begin_sealing(&mut self, why: SealReason) {
        let phase = self.unless_stopping();
        *phase = if phase.holds_secrets() { Self::Sealing { why } } else { Self::Sealed { why } };
    }

    /// Records that all secrets were dropped.
    pub(crate) fn sealed(&mut self, why: SealReason) {
        *self.unless_stopping() = Self::Sealed { why };
    }

    /// Prevents new work, because the daemon stops.
    pub(crate) fn stopping(&mut self) {
        if !matches!(self, Self::Stopping { .. }) {
            let from = Box::new(std::mem::take(self));
            *self = Self::Stopping { from };
        }
    }

    /// Returns the phase to change. A stop ends only with the process, so it stays.
    fn unless_stopping(&mut self) -> &mut Self {
        match self {
            Self::Stopping { from } => from,
            phase => phase,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why() -> SealReason {
        SealReason { reason: "ssod is locked.".to_owned(), remedy: "Run: ssod unlock".to_owned() }
    }

    #[test]
    fn sealing_keeps_the_secrets_until_they_are_saved() {
        let mut phase = Phase::Opening;
        phase.begin_sealing(why());
        assert_eq!(phase, Phase::Sealed { why: why() }, "there was no secret to save");
        phase.opened();
        phase.begin_sealing(why());
        assert!(phase.holds_secrets() && !phase.accepts_work() && phase.not_open().is_some());
        phase.sealed(why());
        assert!(!phase.holds_secrets());
    }

    #[test]
    fn a_stop_starts_nothing_and_serves_what_was_served_before() {
        let mut phase = Phase::Open;
        phase.stopping();
        assert!(!phase.accepts_work() && phase.holds_secrets() && phase.not_open().is_none());
        let mut phase = Phase::Sealed { why: why() };
        phase.stopping();
        phase.stopping();
        assert!(!phase.holds_secrets() && phase.not_open().is_some());
        phase.opened();
        assert!(!phase.accepts_work() && phase.not_open().is_none());
    }
}
