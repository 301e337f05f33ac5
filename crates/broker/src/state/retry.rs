//! Failures in a row, and when to try again.

use std::hash::Hash;

use ssod_model::{IdentityError, Timestamp, TimestampExt};

use crate::decide::{
    FOREIGN_RETRY_MAX, Lifetime, REFUSED_RETRY, RETRY_MAX, RETRY_MIN, Setback, backoff, is_waiting, jitter,
    seed,
};

/// The failures since the last success, and when the next try may start.
#[derive(Clone, Debug)]
pub(crate) struct RetryState {
    count: u32,
    pub(super) retry_at: Timestamp,
    reason: String,
    kind: RetryKind,
}

/// What the last failure means for the next try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RetryKind {
    /// No answer of AWS arrived: another network may bring one.
    NoAnswer,
    /// AWS refused.
    Refused,
    /// AWS asked to wait, or this machine's clock is wrong.
    Other,
}

impl RetryState {
    /// Returns the state after that error. The wait depends on the error, on the number of failures before it, and on when
    /// that expires which is held and was to be replaced.
    pub(crate) fn after(
        error: &IdentityError,
        before: Option<&Self>,
        held: Option<Lifetime>,
        of: impl Hash,
        now: Timestamp,
    ) -> Self {
        let count = before.map_or(0, |before| before.count).saturating_add(1);
        let longest = held.map_or(RETRY_MAX, |held| held.longest_wait(now));
        let back_off = |asked| backoff(count, asked, longest, seed((of, count, now)));
        let wait = match error {
            IdentityError::NoAccess => REFUSED_RETRY.min(longest),
            IdentityError::Rejected(_) => RETRY_MAX.min(longest),
            IdentityError::Throttled { retry_after } => back_off(*retry_after),
            IdentityError::NotFromAws { retry_after, .. } => {
                back_off(retry_after.map(|asked| asked.min(FOREIGN_RETRY_MAX)))
            }
            _ => back_off(None),
        };
        let kind = match error {
            IdentityError::NoAccess => RetryKind::Refused,
            IdentityError::Unavailable(_) | IdentityError::NotFromAws { .. } => RetryKind::NoAnswer,
            _ => RetryKind::Other,
        };
        Self { count, retry_at: now.plus(wait), reason: error.to_string(), kind }
    }

    /// Returns the state after an answer that has already expired when it arrives. It waits as long as possible,
    /// because an immediate retry would bring the same answer.
    pub(crate) fn after_expired_answer(reason: &str, now: Timestamp) -> Self {
        let (retry_at, reason) = (now.plus(RETRY_MAX), reason.to_owned());
        Self { count: 1, retry_at, reason, kind: RetryKind::Other }
    }

    /// Returns the state of a fetch that found no usable access token. It waits for as long as the renewal of the token
    /// does, and does not count as a failure of its own.
    pub(crate) fn after_missing_token(renewal: Option<&Self>, now: Timestamp) -> Self {
        if let Some(renewal) = renewal.filter(|renewal| renewal.retry_at > now) {
            return Self { count: 0, ..renewal.clone() };
        }
        let reason = "the sign-in could not be renewed yet".to_owned();
        Self { count: 0, retry_at: now.plus(RETRY_MIN), reason, kind: RetryKind::NoAnswer }
    }

    /// Returns when the next try may start.
    pub(crate) fn retry_at(&self) -> Timestamp {
        self.retry_at
    }

    /// Returns what went wrong, as part of a sentence.
    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether AWS refused, so that only a change at AWS helps.
    pub(crate) fn is_refusal(&self) -> bool {
        self.kind == RetryKind::Refused
    }

    /// Returns what the policy needs to know.
    pub(crate) fn setback(&self) -> Setback {
        match self.kind {
            RetryKind::Refused => Setback::Refused { retry_at: self.retry_at },
            RetryKind::NoAnswer | RetryKind::Other => Setback::Transient { retry_at: self.retry_at },
        }
    }

    /// Ends the wait for an answer, except for a short delay that differs between names, and returns whether there was
    /// such a wait. The failures still count, so a network that comes and goes causes no storm.
    pub(super) fn end_wait(&mut self, of: impl Hash, now: Timestamp) -> bool {
        let soon = now.plus(jitter(RETRY_MIN * 10, seed(of)));
        let ends = self.kind == RetryKind::NoAnswer && is_waiting(now, self.retry_at) && soon < self.retry_at;
        if ends {
            self.retry_at = soon;
        }
        ends
    }
}
