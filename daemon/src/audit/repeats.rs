//! Counts repeats for a fixed time. Its cost does not depend on how many are counted, because all end in the order in
//! which they began.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::{Duration, Instant};

/// What is counted, by key. Each ends a fixed time after its first entry.
pub(super) struct Repeats<K, V> {
    window: Duration,
    capacity: usize,
    counted: HashMap<K, V>,
    /// The ends, in their order.
    ends: VecDeque<(Instant, K)>,
}

impl<K: Eq + Hash + Clone, V> Repeats<K, V> {
    pub(super) fn new(window: Duration, capacity: usize) -> Self {
        Self { window, capacity, counted: HashMap::new(), ends: VecDeque::new() }
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.counted.get_mut(key)
    }

    pub(super) fn is_full(&self) -> bool {
        self.counted.len() >= self.capacity
    }

    /// Begins to count. If too many are counted already, the oldest ends early and is returned.
    pub(super) fn begin(&mut self, key: K, value: V, now: Instant) -> Option<V> {
        let early = if self.is_full() { self.end_first() } else { None };
        if self.counted.insert(key.clone(), value).is_none() {
            self.ends.push_back((now + self.window, key));
        }
        early
    }

    pub(super) fn next_end(&self) -> Option<Instant> {
        self.ends.front().map(|(end, _)| *end)
    }

    /// Ends the next one whose time is over; without a time, the next one.
    pub(super) fn end_next(&mut self, now: Option<Instant>) -> Option<V> {
        let is_over = |end| now.is_none_or(|now| end <= now);
        self.next_end().filter(|end| is_over(*end))?;
        self.end_first()
    }

    fn end_first(&mut self) -> Option<V> {
        let (_, key) = self.ends.pop_front()?;
        self.counted.remove(&key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_end_in_their_order_and_are_never_more_than_the_capacity() {
        let (begun, second) = (Instant::now(), Duration::from_secs(1));
        let mut repeats = Repeats::new(second, 2);
        assert_eq!(repeats.begin("a", 1, begun), None);
        assert_eq!(repeats.begin("b", 2, begun + second / 2), None);
        assert_eq!(repeats.end_next(Some(begun)), None);
        assert_eq!(repeats.end_next(Some(begun + second)), Some(1));
        assert_eq!(repeats.end_next(Some(begun + second)), None);
        assert_eq!(repeats.begin("c", 3, begun + second), None);
        assert_eq!(repeats.begin("d", 4, begun + second), Some(2), "the oldest ends early");
        assert_eq!(
            [repeats.end_next(None), repeats.end_next(None), repeats.end_next(None)],
            [Some(3), Some(4), None]
        );
    }
}
