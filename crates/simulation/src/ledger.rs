//! The engine's calls and writes as seen from outside, and the promises that it broke.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ssod_broker::limiter::{BURST, IN_FLIGHT};
use ssod_model::{SessionName, SessionRecord};
use tokio::time::Instant;

/// Allows for rounding between the engine's and the ledger's count of time.
const SLACK: f64 = 0.02;
/// How many recent calls the check of the rate covers.
const RECENT: usize = 200;

/// The record of a simulation. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Entries>>);

/// The counts, and the calls in flight.
#[derive(Default)]
pub(crate) struct Entries {
    /// Descriptions of broken promises.
    pub(crate) broken: Vec<String>,
    /// Calls to the portal.
    pub(crate) portal_calls: usize,
    /// Role credentials that were fetched.
    pub(crate) fetches: usize,
    /// Renewals of sign-ins.
    pub(crate) renewals: usize,
    /// Answers with 429.
    pub(crate) throttled: usize,
    /// Sign-ins lost because AWS consumed the refresh token and its answer never reached the disk: the one window that the
    /// protocol leaves open.
    pub(crate) lost_in_window: usize,
    rate: f64,
    /// The portal calls in flight, by account and role.
    in_flight: HashMap<String, usize>,
    /// The starts of the most recent calls.
    recent: VecDeque<Instant>,
    /// For each session, the last refresh token that AWS issued, until the disk has it.
    unsaved: HashMap<SessionName, String>,
}

/// A call to the portal that is in flight until this is dropped.
pub(crate) struct InFlight {
    ledger: Ledger,
    key: String,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut entries = self.ledger.entries();
        if let Some(count) = entries.in_flight.get_mut(&self.key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                entries.in_flight.remove(&self.key);
            }
        }
    }
}

impl Ledger {
    /// Returns the counts.
    pub(crate) fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap()
    }

    /// Records the start of a run, which has a new limiter.
    pub(crate) fn begin_run(&self, rate: f64) {
        let mut entries = self.entries();
        entries.rate = rate;
        entries.in_flight.clear();
        entries.recent.clear();
    }

    /// Records the start of a call to the portal.
    pub(crate) fn call(&self, key: String) -> InFlight {
        let mut entries = self.entries();
        entries.portal_calls += 1;
        let count = entries.in_flight.entry(key.clone()).or_default();
        *count += 1;
        let (count, concurrent) = (*count, entries.in_flight.values().sum::<usize>());
        if count > 1 {
            entries.broken.push(format!("{count} concurrent calls for {key}"));
        }
        if concurrent > IN_FLIGHT {
            entries.broken.push(format!("{concurrent} concurrent calls"));
        }
        entries.begin_call();
        InFlight { ledger: self.clone(), key }
    }

    /// Records that AWS issued a new refresh token, which the disk does not have yet.
    pub(crate) fn issued(&self, session: &SessionName, refresh_token: &str) {
        let mut entries = self.entries();
        entries.renewals += 1;
        entries.unsaved.insert(session.clone(), refresh_token.to_owned());
    }

    /// Records a new sign-in, which replaces earlier tokens.
    pub(crate) fn forget(&self, session: &SessionName) {
        self.entries().unsaved.remove(session);
    }

    /// Records that the disk has a session's record.
    pub(crate) fn saved(&self, record: &SessionRecord) {
        let token = record.tokens.as_ref().and_then(|tokens| tokens.refresh_token.as_ref());
        let token = token.map(ssod_model::Secret::expose);
        let mut entries = self.entries();
        if entries.unsaved.get(&record.name).map(String::as_str) == token {
            entries.unsaved.remove(&record.name);
        }
    }

    /// Records that the engine signed out a session that is alive at AWS, which may only happen in the window.
    pub(crate) fn lost(&self, session: &SessionName) {
        let mut entries = self.entries();
        if entries.unsaved.remove(session).is_some() {
            entries.lost_in_window += 1;
        } else {
            entries.broken.push(format!("{session} is lost although it is alive at AWS"));
        }
    }

    /// Records a broken promise.
    pub(crate) fn broken(&self, when: Duration, what: &str) {
        self.entries().broken.push(format!("after {when:?}: {what}"));
    }
}

impl Entries {
    /// Checks the rate: in no span of time do more calls start than the burst and the rate allow.
    #[expect(clippy::cast_precision_loss, reason = "at most 200 calls")]
    fn begin_call(&mut self) {
        let now = Instant::now();
        self.recent.push_back(now);
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
        for (index, begun) in self.recent.iter().enumerate() {
            let span = now.duration_since(*begun).as_secs_f64();
            let calls = (self.recent.len() - index) as f64;
            if calls > BURST + span * self.rate + SLACK {
                self.broken.push(format!("{calls} calls to the portal in {span:.3} seconds"));
                return;
            }
        }
    }
}
