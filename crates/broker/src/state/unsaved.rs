//! When the cached credentials are written: in batches, sooner if many of them changed.

use std::time::Duration;

use ssod_model::{Timestamp, TimestampExt};

/// The delay of a batch. A crash that loses the last credentials costs one call each, but no sign-in.
const SAVE_CREDENTIALS_AFTER: Duration = Duration::from_secs(2);
/// The delay of a batch if few of many credentials changed: it waits for more changes.
const SAVE_FEW_AFTER: Duration = Duration::from_mins(1);
/// A batch is written after the short delay if at least one in this many credentials changed. So the average cost of
/// writing per renewal does not depend on the number of credentials.
const SHARE: usize = 32;

/// How far the credentials on disk are behind those in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnsavedCredentials {
    since: Timestamp,
    changes: usize,
}

impl UnsavedCredentials {
    /// Counts one changed entry.
    pub(crate) fn count(unsaved: &mut Option<Self>, now: Timestamp) {
        let unsaved = unsaved.get_or_insert(Self { since: now, changes: 0 });
        unsaved.changes = unsaved.changes.saturating_add(1);
    }

    /// Returns the value for changes that must be written after the short delay.
    pub(crate) fn all(since: Timestamp) -> Self {
        Self { since, changes: usize::MAX }
    }

    /// Returns when to write, given the number of profiles.
    pub(crate) fn due(&self, profiles: usize) -> Timestamp {
        let enough = self.changes.saturating_mul(SHARE) >= profiles;
        self.since.plus(if enough { SAVE_CREDENTIALS_AFTER } else { SAVE_FEW_AFTER })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_written_soon_if_many_credentials_changed_and_later_if_few_did() {
        let start = Timestamp::from_second(1_800_000_000).unwrap();
        let waits = |changes: usize, profiles: usize| {
            let mut unsaved = None;
            (0..changes).for_each(|_| UnsavedCredentials::count(&mut unsaved, start));
            unsaved.unwrap().due(profiles).since_or_zero(start)
        };
        assert_eq!(waits(1, 32), SAVE_CREDENTIALS_AFTER);
        assert_eq!(waits(1, 33), SAVE_FEW_AFTER);
        assert_eq!(waits(312, 10_000), SAVE_FEW_AFTER);
        assert_eq!(waits(313, 10_000), SAVE_CREDENTIALS_AFTER);
        assert_eq!(
            UnsavedCredentials::all(start).due(1_000_000).since_or_zero(start),
            SAVE_CREDENTIALS_AFTER
        );
    }
}
