//! When each session and profile is due. Finding the next deadline costs the same for any number of profiles.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;

use ssod_model::{ProfileName, SessionName, Timestamp};

/// The deadlines of all sessions and profiles. Code that changes an entry only marks it as dirty, and the next tick
/// reschedules it, so that code need not know how the change affects deadlines.
pub(crate) struct Deadlines {
    pub(crate) sessions: DeadlineQueue<SessionName>,
    pub(crate) profiles: DeadlineQueue<ProfileName>,
    /// The policy or the clock changed, so everything must be rescheduled.
    all_dirty: bool,
    /// The time of the last tick: if the clock was set back since, everything must be rescheduled.
    last_tick: Timestamp,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            sessions: DeadlineQueue::default(),
            profiles: DeadlineQueue::default(),
            all_dirty: false,
            last_tick: Timestamp::MIN,
        }
    }
}

impl Deadlines {
    /// Marks all sessions and profiles.
    pub(crate) fn mark_all_dirty(&mut self) {
        self.all_dirty = true;
    }

    /// Returns whether the clock was set back since the last tick, and marks everything if it was.
    pub(crate) fn clock_was_set_back(&mut self, now: Timestamp) -> bool {
        let set_back = now < self.last_tick;
        self.last_tick = now;
        self.all_dirty |= set_back;
        set_back
    }

    /// Returns whether everything is marked, and removes that mark.
    pub(crate) fn take_all_dirty(&mut self) -> bool {
        std::mem::take(&mut self.all_dirty)
    }
}

/// Names in the order of their deadlines.
pub(crate) struct DeadlineQueue<N> {
    order: BTreeSet<(Timestamp, N)>,
    deadlines: HashMap<N, Timestamp>,
    dirty: HashSet<N>,
}

impl<N> Default for DeadlineQueue<N> {
    fn default() -> Self {
        Self { order: BTreeSet::new(), deadlines: HashMap::new(), dirty: HashSet::new() }
    }
}

impl<N: Clone + Ord + Hash> DeadlineQueue<N> {
    /// Marks a name whose deadline may have changed.
    pub(crate) fn mark_dirty(&mut self, name: &N) {
        if !self.dirty.contains(name) {
            self.dirty.insert(name.clone());
        }
    }

    /// Takes the names that were marked since the last tick.
    pub(crate) fn take_dirty(&mut self) -> HashSet<N> {
        std::mem::take(&mut self.dirty)
    }

    /// Sets or removes a name's deadline.
    pub(crate) fn reschedule(&mut self, name: &N, at: Option<Timestamp>) {
        if let Some(before) = self.deadlines.remove(name) {
            self.order.remove(&(before, name.clone()));
        }
        if let Some(at) = at {
            self.deadlines.insert(name.clone(), at);
            self.order.insert((at, name.clone()));
        }
    }

    /// Removes all deadlines.
    pub(crate) fn clear(&mut self) {
        self.order.clear();
        self.deadlines.clear();
    }

    /// Returns the first deadline.
    pub(crate) fn first(&self) -> Option<Timestamp> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Returns the name with the first deadline, if that has passed.
    pub(crate) fn due(&self, now: Timestamp) -> Option<N> {
        self.order.first().filter(|(at, _)| *at <= now).map(|(_, name)| name.clone())
    }

    /// Returns a name's deadline.
    #[cfg(test)]
    pub(crate) fn of(&self, name: &N) -> Option<Timestamp> {
        self.deadlines.get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_new_deadline_replaces_the_old_one_and_the_earliest_is_first() {
        let mut queue = DeadlineQueue::default();
        for (name, second) in [("a", 30), ("b", 20), ("a", 10), ("c", 40)] {
            queue.reschedule(&name, Some(at(second)));
        }
        assert_eq!((queue.first(), queue.due(at(9)), queue.due(at(10))), (Some(at(10)), None, Some("a")));
        queue.reschedule(&"a", None);
        assert_eq!((queue.first(), queue.order.len(), queue.deadlines.len()), (Some(at(20)), 2, 2));
    }

    #[test]
    fn a_clock_that_was_set_back_marks_everything_once() {
        let mut deadlines = Deadlines::default();
        assert!(!deadlines.clock_was_set_back(at(100)) && !deadlines.take_all_dirty());
        assert!(deadlines.clock_was_set_back(at(50)) && deadlines.take_all_dirty());
        assert!(!deadlines.clock_was_set_back(at(51)) && !deadlines.take_all_dirty());
        deadlines.mark_all_dirty();
        assert!(deadlines.take_all_dirty());
    }
}
