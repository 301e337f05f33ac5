//! What the world outside saw the engine do, and the promises that were broken by it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use ssod_broker::limiter::{BURST, IN_FLIGHT};
use ssod_model::{SessionName, SessionRecord};
use tokio::time::Instant;

/// How much rounding there may be between the engine's count of time and ours.
const SLACK: f64 = 0.02;
/// Calls that are looked at together.
const RECENT: usize = 200;

/// Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Ledger(Arc<Mutex<Entries>>);

/// The counts, and what is under way.
#[derive(Default)]
pub(crate) struct Entries {
    /// Broken promises, in words.
    pub(crate) broken: Vec<String>,
    /// Calls to the portal.
    pub(crate) portal_calls: usize,
    /// Role credentials that were brought.
    pub(crate) fetches: usize,
    /// Renewals of sign-ins.
    pub(crate) renewals: usize,
    /// Answers with 429.
    pub(crate) throttled: usize,
    /// Sign-ins lost because AWS spent the refresh token and its answer never reached the disk: the one window that the
    /// protocol leaves open.
    pub(crate) lost_in_window: usize,
    rate: f64,
    /// The portal calls under way, by account and role.
    under_way: HashMap<String, usize>,
    /// When the calls of the last while began.
    recent: VecDeque<Instant>,
    /// By session, the refresh token that AWS gave last, as long as no disk has it.
    unsaved: HashMap<SessionName, String>,
}

/// A call to the portal that is under way; it ends with this.
pub(crate) struct UnderWay {
    ledger: Ledger,
    what: String,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut entries = self.ledger.entries();
        if let Some(count) = entries.under_way.get_mut(&self.what) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                entries.under_way.remove(&self.what);
            }
        }
    }
}

impl Ledger {
    /// The counts.
    pub(crate) fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap()
    }

    /// A run begins, with a limiter of its own.
    pub(crate) fn begin_run(&self, rate: f64) {
        let mut entries = self.entries();
        entries.rate = rate;
        entries.under_way.clear();
        entries.recent.clear();
    }

    /// A call to the portal begins.
    pub(crate) fn call(&self, what: String) -> UnderWay {
        let mut entries = self.entries();
        entries.portal_calls += 1;
        let count = entries.under_way.entry(what.clone()).or_default();
        *count += 1;
        let (count, at_once) = (*count, entries.under_way.values().sum::<usize>());
        if count > 1 {
            entries.broken.push(format!("{count} calls at one time for {what}"));
        }
        if at_once > IN_FLIGHT {
            entries.broken.push(format!("{at_once} calls at one time"));
        }
        entries.begin_call();
        UnderWay { ledger: self.clone(), what }
    }

    /// AWS gave a new refresh token; no disk has it yet.
    pub(crate) fn given(&self, session: &SessionName, refresh_token: &str) {
        let mut entries = self.entries();
        entries.renewals += 1;
        entries.unsaved.insert(session.clone(), refresh_token.to_owned());
    }

    /// Somebody signs in anew: what was given before counts no more.
    pub(crate) fn forget(&self, session: &SessionName) {
        self.entries().unsaved.remove(session);
    }

    /// A record is on the disk.
    pub(crate) fn saved(&self, record: &SessionRecord) {
        let token = record.tokens.as_ref().and_then(|tokens| tokens.refresh_token.as_ref());
        let token = token.map(ssod_model::Secret::expose);
        let mut entries = self.entries();
        if entries.unsaved.get(&record.name).map(String::as_str) == token {
            entries.unsaved.remove(&record.name);
        }
    }

    /// A session is signed out here though AWS holds it alive: that must never be, but for the window.
    pub(crate) fn lost(&self, session: &SessionName) {
        let mut entries = self.entries();
        if entries.unsaved.remove(session).is_some() {
            entries.lost_in_window += 1;
        } else {
            entries.broken.push(format!("{session} is lost though AWS holds it alive"));
        }
    }

    /// A promise is broken.
    pub(crate) fn broken(&self, when: Duration, what: &str) {
        self.entries().broken.push(format!("after {when:?}: {what}"));
    }
}

impl Entries {
    /// In no span of time begin more calls than what a rest saves up and what the span brings.
    #[expect(clippy::cast_precision_loss, reason = "a few hundred calls")]
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
