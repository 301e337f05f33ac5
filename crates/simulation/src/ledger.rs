//! Records the engine's calls and writes as the outside world observes them, and the promises that it broke.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ssod_broker::limiter::{BURST, IN_FLIGHT};
use ssod_model::{SessionName, SessionRecord};
use tokio::time::Instant;

/// The number of calls by which the engine's and the ledger's times may differ through rounding.
const ROUNDING_ERROR: f64 = 0.02;
/// How many recent calls the check of the rate covers.
const CHECKED_CALLS: usize = 200;

/// The record of a simulation. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Entries>>);

/// The counts, and the calls in flight.
#[derive(Default)]
pub(crate) struct Entries {
    /// Descriptions of broken promises.
    pub(crate) broken_promises: Vec<String>,
    /// Calls to the portal.
    pub(crate) portal_calls: usize,
    /// Role credentials that were fetched.
    pub(crate) fetches: usize,
    /// Renewals of sign-ins.
    pub(crate) renewals: usize,
    /// Answers with 429.
    pub(crate) throttled: usize,
    /// Sign-ins that were lost because AWS accepted the refresh token and the daemon died before it had saved the
    /// answer. The protocol cannot prevent this.
    pub(crate) lost_in_window: usize,
    rate: f64,
    /// The portal calls in flight, by account and role.
    in_flight: HashMap<String, usize>,
    /// The starts of the most recent calls.
    recent: VecDeque<Instant>,
    /// The last refresh token that AWS issued for each session, until it is saved.
    unsaved: HashMap<SessionName, String>,
}

/// A call to the portal, which is in flight until this value is dropped.
pub(crate) struct PortalCall {
    ledger: Ledger,
    key: String,
}

impl Drop for PortalCall {
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

    /// Records the start of a call to the portal, and checks the promises about concurrent calls and about the rate.
    pub(crate) fn begin_portal_call(&self, key: String) -> PortalCall {
        let mut entries = self.entries();
        entries.portal_calls += 1;
        let count = entries.in_flight.entry(key.clone()).or_default();
        *count += 1;
        let (count, concurrent) = (*count, entries.in_flight.values().sum::<usize>());
        if count > 1 {
            entries.broken_promises.push(format!("{count} concurrent calls for {key}"));
        }
        if concurrent > IN_FLIGHT {
            entries.broken_promises.push(format!("{concurrent} concurrent calls"));
        }
        entries.check_rate();
        PortalCall { ledger: self.clone(), key }
    }

    /// Records that AWS issued a new refresh token, which is not saved yet.
    pub(crate) fn record_issued(&self, session: &SessionName, refresh_token: &str) {
        let mut entries = self.entries();
        entries.renewals += 1;
        entries.unsaved.insert(session.clone(), refresh_token.to_owned());
    }

    /// Records that a new sign-in begins, whose tokens replace the earlier ones.
    pub(crate) fn record_sign_in(&self, session: &SessionName) {
        self.entries().unsaved.remove(session);
    }

    /// Records that a session is saved.
    pub(crate) fn record_saved(&self, record: &SessionRecord) {
        let token = record.tokens.as_ref().and_then(|tokens| tokens.refresh_token.as_ref());
        let token = token.map(ssod_model::Secret::expose);
        let mut entries = self.entries();
        if entries.unsaved.get(&record.name).map(String::as_str) == token {
            entries.unsaved.remove(&record.name);
        }
    }

    /// Records that the engine lost a session that is active at AWS. That may happen only while a refresh token is
    /// unsaved.
    pub(crate) fn record_lost(&self, session: &SessionName) {
        let mut entries = self.entries();
        if entries.unsaved.remove(session).is_some() {
            entries.lost_in_window += 1;
        } else {
            entries.broken_promises.push(format!("{session} is lost although it is active at AWS"));
        }
    }

    /// Records a broken promise.
    pub(crate) fn record_broken(&self, when: Duration, what: &str) {
        self.entries().broken_promises.push(format!("after {when:?}: {what}"));
    }
}

impl Entries {
    /// Records that a call starts now, and checks that no period has more calls than the burst and the rate allow.
    #[expect(clippy::cast_precision_loss, reason = "at most 200 calls")]
    fn check_rate(&mut self) {
        let now = Instant::now();
        self.recent.push_back(now);
        if self.recent.len() > CHECKED_CALLS {
            self.recent.pop_front();
        }
        for (index, started_at) in self.recent.iter().enumerate() {
            let period = now.duration_since(*started_at).as_secs_f64();
            let calls = (self.recent.len() - index) as f64;
            if calls > BURST + period * self.rate + ROUNDING_ERROR {
                self.broken_promises.push(format!("{calls} calls to the portal in {period:.3} seconds"));
                return;
            }
        }
    }
}
