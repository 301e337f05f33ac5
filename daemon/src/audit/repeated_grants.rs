//! Counts what callers get again and again on their connections. A request only increments a counter; the thread that
//! writes the log collects the counters, at most ten times a second. A note for each request would wake that thread,
//! which cost 0.6 context switches a request and a third of its CPU time.

use std::mem;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ssod_control::{AuditEntry, AuditVia};
use ssod_endpoint::Repeats;
use ssod_model::{ProfileName, Timestamp};

use super::entry::entry;
use super::no_room::NoRoom;
use super::note::{Message, Note, NoteOutcome, NotedCaller};
use super::programs::Origin;

/// The maximum number of counters that wait to be collected. A connection has one.
const MAX_WAITING: usize = 4_096;

/// The grant that a connection's counter counts.
pub(super) struct RepeatedGrant {
    pub(super) via: AuditVia,
    pub(super) uid: Option<u32>,
    pub(super) caller: NotedCaller,
    pub(super) profile: ProfileName,
}

/// The counters that have counted something since they were collected last.
#[derive(Default)]
pub(super) struct Counters {
    has_waiting: AtomicBool,
    waiting: Mutex<Vec<Arc<CountedGrant>>>,
}

impl Counters {
    /// Returns whether there is something to collect.
    pub(super) fn has_waiting(&self) -> bool {
        self.has_waiting.load(Ordering::Acquire)
    }

    /// Takes the counts, as notes.
    pub(super) fn take(&self) -> impl Iterator<Item = Note> + use<> {
        // Reset first: a counter that is added from here on announces itself again.
        self.has_waiting.store(false, Ordering::Release);
        let waiting = mem::take(&mut *self.waiting());
        waiting.into_iter().map(|counted| counted.take())
    }

    /// Adds a counter. Returns whether the writer must be woken for it; gives the counter back if there is no room.
    fn add(&self, counted: Arc<CountedGrant>) -> Result<bool, Arc<CountedGrant>> {
        let mut waiting = self.waiting();
        if waiting.len() >= MAX_WAITING {
            return Err(counted);
        }
        waiting.push(counted);
        drop(waiting);
        Ok(!self.has_waiting.swap(true, Ordering::AcqRel))
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Arc<CountedGrant>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often a grant was repeated since the last collection.
struct CountedGrant {
    grant: RepeatedGrant,
    count: AtomicU64,
    /// When it was last repeated, in nanoseconds since 1970.
    last_at: AtomicI64,
}

impl CountedGrant {
    /// Counts one more, and returns whether it is the first since the last collection.
    fn count(&self, at: Timestamp) -> bool {
        self.last_at.store(i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX), Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Release) == 0
    }

    fn take(&self) -> Note {
        let count = self.count.swap(0, Ordering::Acquire);
        let at = Timestamp::from_nanosecond(self.last_at.load(Ordering::Relaxed).into());
        let RepeatedGrant { via, uid, caller, profile } = &self.grant;
        Note {
            at: at.unwrap_or_default(),
            noted: Instant::now(),
            via: *via,
            action: None,
            uid: *uid,
            caller: caller.clone(),
            profile: Some(profile.clone()),
            detail: None,
            outcome: NoteOutcome::Served,
            count,
            tried: None,
        }
    }
}

/// The counter of one connection.
pub(super) struct ConnectionCounter {
    counted: Arc<CountedGrant>,
    counters: Arc<Counters>,
    writer: SyncSender<Message>,
    no_room: NoRoom,
    last_served: Arc<LastServed>,
}

impl ConnectionCounter {
    pub(super) fn new(
        grant: RepeatedGrant,
        counters: Arc<Counters>,
        writer: SyncSender<Message>,
        no_room: NoRoom,
        last_served: Arc<LastServed>,
    ) -> Self {
        let counted = CountedGrant { grant, count: AtomicU64::new(0), last_at: AtomicI64::new(0) };
        Self { counted: Arc::new(counted), counters, writer, no_room, last_served }
    }
}

impl Repeats for ConnectionCounter {
    fn count(&self, at: Timestamp) {
        self.last_served.at(at);
        if !self.counted.count(at) {
            return;
        }
        match self.counters.add(self.counted.clone()) {
            // If the queue is full, the writer is awake, and looks at the counters before it sleeps.
            Ok(true) => drop(self.writer.try_send(Message::Collect)),
            Ok(false) => {}
            Err(counted) => {
                let note = counted.take();
                let repeated = note.count;
                self.no_room.add(|| AuditEntry { repeated, ..entry(note, Origin::Unknown) });
            }
        }
    }
}

/// When a caller last got credentials.
pub(super) struct LastServed {
    milliseconds: AtomicI64,
}

impl Default for LastServed {
    fn default() -> Self {
        Self { milliseconds: AtomicI64::new(i64::MIN) }
    }
}

impl LastServed {
    /// Users see the time in seconds, and a write for each request would move the value between the processors'
    /// caches, so it is at most a tenth of a second old.
    const RESOLUTION_MILLISECONDS: i64 = 100;

    pub(super) fn at(&self, at: Timestamp) {
        let (at, before) = (at.as_millisecond(), self.milliseconds.load(Ordering::Relaxed));
        if at < before || at.saturating_sub(before) >= Self::RESOLUTION_MILLISECONDS {
            self.milliseconds.store(at, Ordering::Relaxed);
        }
    }

    pub(super) fn get(&self) -> Option<Timestamp> {
        Timestamp::from_millisecond(self.milliseconds.load(Ordering::Relaxed)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted() -> Arc<CountedGrant> {
        let profile = ProfileName::parse("adminUser").unwrap();
        let grant =
            RepeatedGrant { via: AuditVia::Container, uid: None, caller: NotedCaller::OtherUser, profile };
        Arc::new(CountedGrant { grant, count: AtomicU64::new(0), last_at: AtomicI64::new(0) })
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn only_the_first_count_after_a_collection_wakes_the_writer() {
        let (counters, connections) = (Counters::default(), [counted(), counted()]);
        for round in 1..4 {
            let mut wakes = 0;
            for second in 0..1_000 {
                for connection in &connections {
                    if connection.count(at(second)) && counters.add(connection.clone()).is_ok_and(|wake| wake)
                    {
                        wakes += 1;
                    }
                }
            }
            assert_eq!(wakes, 1, "round {round}");
            let notes: Vec<_> = counters.take().map(|note| (note.count, note.at)).collect();
            assert_eq!(notes, [(1_000, at(999)), (1_000, at(999))]);
            assert!(!counters.has_waiting());
        }
    }

    #[test]
    fn counters_above_the_limit_are_given_back_and_keep_their_counts() {
        let counters = Counters::default();
        for _ in 0..MAX_WAITING {
            assert!(counters.add(counted()).is_ok());
        }
        let last = counted();
        assert!(last.count(at(1)));
        assert_eq!(counters.add(last).unwrap_err().take().count, 1);
    }

    #[test]
    fn the_time_of_the_last_grant_is_kept_to_a_tenth_of_a_second_and_follows_a_clock_that_is_set_back() {
        let last = LastServed::default();
        assert_eq!(last.get(), None);
        for (milliseconds, expected) in [(5_000, 5_000), (5_099, 5_000), (5_100, 5_100), (200, 200)] {
            last.at(Timestamp::from_millisecond(milliseconds).unwrap());
            assert_eq!(last.get().unwrap().as_millisecond(), expected);
        }
    }
}
