//! When the cached credentials are written: in batches, soon where much changed.

use std::time::Duration;

use ssod_model::{Timestamp, TimestampExt};

/// Cached credentials are written in batches: losing the last ones costs a call each, no sign-in.
const SAVE_CREDENTIALS_AFTER: Duration = Duration::from_secs(2);
/// Where few of many changed, the batch waits for more of them.
const SAVE_FEW_AFTER: Duration = Duration::from_mins(1);
/// A batch is worth a write of everything from one changed in so many on: so each renewal costs the same, however many
/// credentials there are.
const SHARE: usize = 32;

/// How much older the disk is than the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsaved {
    since: Timestamp,
    changes: usize,
}

impl Unsaved {
    /// Credentials were renewed.
    pub(crate) fn count(unsaved: &mut Option<Self>, now: Timestamp) {
        let unsaved = unsaved.get_or_insert(Self { since: now, changes: 0 });
        unsaved.changes = unsaved.changes.saturating_add(1);
    }

    /// So much changed that it must be written soon.
    pub(crate) fn all(since: Timestamp) -> Self {
        Self { since, changes: usize::MAX }
    }

    /// When it is to be written, where there are so many profiles.
    pub(crate) fn due(&self, profiles: usize) -> Timestamp {
        let enough = self.changes.saturating_mul(SHARE) >= profiles;
        self.since.plus(if enough { SAVE_CREDENTIALS_AFTER } else { SAVE_FEW_AFTER })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_written_soon_where_much_of_it_is_new_and_later_where_little_is() {
        let begun = Timestamp::from_second(1_800_000_000).unwrap();
        let waits = |changes: usize, profiles: usize| {
            let mut unsaved = None;
            (0..changes).for_each(|_| Unsaved::count(&mut unsaved, begun));
            unsaved.unwrap().due(profiles).since_or_zero(begun)
        };
        assert_eq!(waits(1, 32), SAVE_CREDENTIALS_AFTER);
        assert_eq!(waits(1, 33), SAVE_FEW_AFTER);
        assert_eq!(waits(312, 10_000), SAVE_FEW_AFTER);
        assert_eq!(waits(313, 10_000), SAVE_CREDENTIALS_AFTER);
        assert_eq!(Unsaved::all(begun).due(1_000_000).since_or_zero(begun), SAVE_CREDENTIALS_AFTER);
    }
}
