//! The faults that a test can set.

use serde::{Deserialize, Serialize};
use ssod_model::{Timestamp, TimestampExt};

/// The kind of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The answer has status 429.
    Throttle,
    /// The answer has status 503.
    Fail,
    /// The answer has status 200 and a body that is not JSON.
    Garbage,
    /// The call has its effect, but the server closes the connection without an answer.
    LoseAnswer,
    /// The answer is only delayed.
    Delay,
    /// Something else answers in AWS's place, such as a captive portal: the call has no effect.
    Replace,
}

/// The answer of a [`FaultKind::Replace`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// The status.
    pub status: u16,
    /// The headers.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(default)]
    pub body: String,
}

/// A fault.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The kind.
    pub kind: FaultKind,
    /// The operation, such as `GetRoleCredentials`; by default, every operation.
    pub operation: Option<String>,
    /// The number of requests that it affects; by default, every request until the faults are cleared.
    pub times: Option<u32>,
    /// The delay before the answer, in milliseconds.
    #[serde(default)]
    pub delay_ms: u64,
    /// The `Retry-After` of a 429, in seconds.
    pub retry_after: Option<u64>,
    /// Affects only requests about this account; by default, every request.
    pub account: Option<String>,
    /// The answer that replaces AWS's.
    pub replacement: Option<Replacement>,
}

impl Fault {
    /// Returns a fault that throttles one call.
    pub(crate) fn throttle() -> Self {
        Self {
            kind: FaultKind::Throttle,
            operation: None,
            times: Some(1),
            delay_ms: 0,
            retry_after: None,
            account: None,
            replacement: None,
        }
    }
}

/// The faults that are set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Returns the first fault that applies to the operation on that account, and counts its use.
    pub(crate) fn take(&mut self, operation: &str, account: Option<&str>) -> Option<Fault> {
        let applies = |fault: &Fault| {
            fault.operation.as_deref().is_none_or(|only| only == operation)
                && fault.account.as_deref().is_none_or(|only| Some(only) == account)
        };
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

/// The portal's own limit: a number of calls per second. In addition, the portal refuses a random share of all calls,
/// which no client can predict.
#[derive(Clone, Debug)]
pub(crate) struct Throttle {
    rate: f64,
    share: f64,
    /// The number of calls that are allowed now.
    available: f64,
    refilled_at: Timestamp,
    /// The state of a linear congruential generator. The center's seed determines which calls are refused.
    random: u64,
}

impl Throttle {
    pub(crate) fn new(rate: f64, share: f64, seed: u64) -> Self {
        Self { rate, share, available: rate, refilled_at: Timestamp::MIN, random: seed }
    }

    /// Returns whether a call at this time is refused. A refused call does not count against the rate.
    #[expect(clippy::cast_precision_loss, reason = "the precision of a float is enough for a share")]
    pub(crate) fn refuses(&mut self, now: Timestamp) -> bool {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let passed = now.since_or_zero(self.refilled_at).as_secs_f64();
        self.available = (self.available + passed * self.rate).min(self.rate);
        self.refilled_at = self.refilled_at.max(now);
        if (self.random >> 11) as f64 / (1u64 << 53) as f64 <= self.share || self.available < 1.0 {
            return true;
        }
        self.available -= 1.0;
        false
    }
}
