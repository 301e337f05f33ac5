//! What can be made to go wrong.

use serde::Deserialize;

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
