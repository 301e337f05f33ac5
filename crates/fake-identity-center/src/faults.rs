//! What can be made to go wrong.

use serde::Deserialize;
use ssod_model::{Timestamp, TimestampExt};

/// A kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// 429.
    Throttle,
    /// 503.
    Fail,
    /// 200 with something that is not JSON.
    Garbage,
    /// The work is done, the answer is not sent: the connection is cut.
    LoseAnswer,
    /// Only the delay.
    Delay,
}

/// A failure that is to happen.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What happens.
    pub kind: FaultKind,
    /// To which operation (`GetRoleCredentials`, say); without it, to all.
    pub operation: Option<String>,
    /// How often; without it, until faults are cleared.
    pub times: Option<u32>,
    /// How long before it happens, in milliseconds.
    #[serde(default)]
    pub delay_ms: u64,
    /// `Retry-After` for a throttle.
    pub retry_after: Option<u64>,
}

impl Fault {
    /// One 429, now.
    pub(crate) fn throttle() -> Self {
        Self { kind: FaultKind::Throttle, operation: None, times: Some(1), delay_ms: 0, retry_after: None }
    }
}

/// The failures in force.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// The first that applies, counted down.
    pub(crate) fn take(&mut self, operation: &str) -> Option<Fault> {
        let applies = |fault: &Fault| fault.operation.as_deref().is_none_or(|only| only == operation);
        let at = self.0.iter().position(applies)?;
        let fault = self.0[at].clone();
        match self.0[at].times.as_mut() {
            Some(left) if *left > 1 => *left -= 1,
            Some(_) => {
                self.0.remove(at);
            }
            None => {}
        }
        Some(fault)
    }
}

/// The portal's own limit: so many calls a second, and a share that is refused for no reason that a client could know.
#[derive(Clone, Debug)]
pub(crate) struct Throttle {
    rate: f64,
    share: f64,
    saved: f64,
    saved_at: Timestamp,
    /// A linear congruential generator's state: which calls are refused follows from the center's seed.
    drawn: u64,
}

impl Throttle {
    pub(crate) fn new(rate: f64, share: f64, seed: u64) -> Self {
        Self { rate, share, saved: rate, saved_at: Timestamp::MIN, drawn: seed }
    }

    /// Whether a call at that time is refused; what is refused does not count against the rate.
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more than a float's precision")]
    pub(crate) fn refuses(&mut self, now: Timestamp) -> bool {
        self.drawn =
            self.drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let passed = now.since_or_zero(self.saved_at).as_secs_f64();
        self.saved = (self.saved + passed * self.rate).min(self.rate);
        self.saved_at = self.saved_at.max(now);
        if (self.drawn >> 11) as f64 / (1u64 << 53) as f64 <= self.share || self.saved < 1.0 {
            return true;
        }
        self.saved -= 1.0;
        false
    }
}
