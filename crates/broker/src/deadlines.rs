//! When what is due: one queue for all sessions and profiles. Looking for the next deadline costs the same however many there
//! are.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;

use ssod_model::{ProfileName, SessionName, Timestamp};

/// The queue. What changed is marked, and placed anew when somebody next looks: whoever changes something need not know
/// what follows from it.
pub(crate) struct Deadlines {
    pub(crate) sessions: Line<SessionName>,
    pub(crate) profiles: Line<ProfileName>,
    /// Everything must be placed anew: the policy or the clock changed.
    all_stale: bool,
    /// When somebody last looked; a clock that was set back since makes everything stale.
    looked_at: Timestamp,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            sessions: Line::default(),
            profiles: Line::default(),
            all_stale: false,
            looked_at: Timestamp::MIN,
        }
    }
}

impl Deadlines {
    /// Everything must be placed anew.
    pub(crate) fn mark_all(&mut self) {
        self.all_stale = true;
    }

    /// Whether the clock was set back since somebody last looked; then everything must be placed anew.
    pub(crate) fn look(&mut self, now: Timestamp) -> bool {
        let set_back = now < self.looked_at;
        self.looked_at = now;
        self.all_stale |= set_back;
        set_back
    }

    /// Whether everything must be placed anew; asking makes it no longer so.
    pub(crate) fn take_all_stale(&mut self) -> bool {
        std::mem::take(&mut self.all_stale)
    }
}

/// Names in the order of their deadlines.
pub(crate) struct Line<N> {
    order: BTreeSet<(Timestamp, N)>,
    places: HashMap<N, Timestamp>,
    stale: HashSet<N>,
}

impl<N> Default for Line<N> {
    fn default() -> Self {
        Self { order: BTreeSet::new(), places: HashMap::new(), stale: HashSet::new() }
    }
}

impl<N: Clone + Ord + Hash> Line<N> {
    /// Its deadline may be another one now.
    pub(crate) fn mark(&mut self, name: &N) {
        if !self.stale.contains(name) {
            self.stale.insert(name.clone());
        }
    }

    /// What was marked since the last look.
    pub(crate) fn take_stale(&mut self) -> HashSet<N> {
        std::mem::take(&mut self.stale)
    }

    /// Gives it that deadline, or none.
    pub(crate) fn place(&mut self, name: &N, at: Option<Timestamp>) {
        if let Some(before) = self.places.remove(name) {
            self.order.remove(&(before, name.clone()));
        }
        if let Some(at) = at {
            self.places.insert(name.clone(), at);
            self.order.insert((at, name.clone()));
        }
    }

    /// Nothing has a deadline.
    pub(crate) fn clear(&mut self) {
        self.order.clear();
        self.places.clear();
    }

    /// The first deadline.
    pub(crate) fn first(&self) -> Option<Timestamp> {
        self.order.first().map(|(at, _)| *at)
    }

    /// Whose deadline comes first, where it has come.
    pub(crate) fn due(&self, now: Timestamp) -> Option<N> {
        self.order.first().filter(|(at, _)| *at <= now).map(|(_, name)| name.clone())
    }

    /// The deadline of that name.
    #[cfg(test)]
    pub(crate) fn of(&self, name: &N) -> Option<Timestamp> {
        self.places.get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_new_place_replaces_the_old_one_and_the_earliest_comes_first() {
        let mut line = Line::default();
        for (name, second) in [("a", 30), ("b", 20), ("a", 10), ("c", 40)] {
            line.place(&name, Some(at(second)));
        }
        assert_eq!((line.first(), line.due(at(9)), line.due(at(10))), (Some(at(10)), None, Some("a")));
        line.place(&"a", None);
        assert_eq!((line.first(), line.order.len(), line.places.len()), (Some(at(20)), 2, 2));
    }

    #[test]
    fn a_clock_that_was_set_back_makes_everything_stale_once() {
        let mut deadlines = Deadlines::default();
        assert!(!deadlines.look(at(100)) && !deadlines.take_all_stale());
        assert!(deadlines.look(at(50)) && deadlines.take_all_stale());
        assert!(!deadlines.look(at(51)) && !deadlines.take_all_stale());
        deadlines.mark_all();
        assert!(deadlines.take_all_stale());
    }
}
