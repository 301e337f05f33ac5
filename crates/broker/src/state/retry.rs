//! Failures in a row, and when to retry.

use std::hash::Hash;

use ssod_model::{IdentityError, Timestamp, TimestampExt};

use crate::decide::{
    FOREIGN_RETRY_MAX, FetchFailure, Lifetime, REFUSED_RETRY, RETRY_MAX, RETRY_MIN, backoff, is_waiting,
    jitter, seed,
};

/// The failures since the last success, and when the next attempt may start.
#[derive(Clone, Debug)]
pub(crate) struct RetryState {
    count: u32,
    pub(super) retry_at: Timestamp,
    reason: String,
    kind: RetryKind,
}

/// What the last failure means for the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RetryKind {
    /// No answer of AWS arrived; on another network, one may arrive.
    NoAnswer,
    /// AWS refused.
    Refused,
    /// AWS asked to wait, or this machine's clock is wrong.
    Other,
}

impl RetryState {
    /// Returns the state after that error. The wait depends on the error, on the number of failures before it, and on
    /// when that expires which is held and was to be replaced.
    pub(crate) fn after(
        error: &IdentityError,
        before: Option<&Self>,
        held: Option<Lifetime>,
        name: impl Hash,
        now: Timestamp,
    ) -> Self {
        let count = before.map_or(0, |before| before.count).saturating_add(1);
        let longest = held.map_or(RETRY_MAX, |held| held.longest_wait(now));
        let back_off = |retry_after| backoff(count, retry_after, longest, seed((name, count, now)));
        let wait = match error {
            IdentityError::NoAccess => REFUSED_RETRY.min(longest),
            IdentityError::Rejected(_) => RETRY_MAX.min(longest),
            IdentityError::Throttled { retry_after } => back_off(*retry_after),
            IdentityError::NotFromAws { retry_after, .. } => {
                back_off(retry_after.map(|retry_after| retry_after.min(FOREIGN_RETRY_MAX)))
            }
            _ => back_off(None),
        };
        let kind = match error {
            IdentityError::NoAccess => RetryKind::Refused,
            IdentityError::Unavailable(_)
            | IdentityError::NotFromAws { .. }
            | IdentityError::UntrustedEndpoint { .. } => RetryKind::NoAnswer,
            _ => RetryKind::Other,
        };
        Self { count, retry_at: now.plus(wait), reason: error.to_string(), kind }
    }

    /// Returns the state after an answer that had already expired when it arrived. The wait is the longest one, because
    /// an immediate retry would return the same answer.
    pub(crate) fn after_expired_answer(reason: &str, now: Timestamp) -> Self {
        let (retry_at, reason) = (now.plus(RETRY_MAX), reason.to_owned());
        Self { count: 1, retry_at, reason, kind: RetryKind::Other }
    }

    /// Returns the state of a fetch that found no usable access token. It waits as long as the token's renewal does,
    /// and does not count as a separate failure.
    pub(crate) fn after_missing_token(renewal: Option<&Self>, now: Timestamp) -> Self {
        if let Some(renewal) = renewal.filter(|renewal| renewal.retry_at > now) {
            return Self { count: 0, ..renewal.clone() };
        }
        let reason = "the sign-in could not be renewed yet".to_owned();
        Self { count: 0, retry_at: now.plus(RETRY_MIN), reason, kind: RetryKind::NoAnswer }
    }

    /// Returns when the next attempt may start.
    pub(crate) fn retry_at(&self) -> Timestamp {
        self.retry_at
    }

    /// Returns what went wrong, as part of a sentence.
    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }

    /// Returns whether AWS refused, so that only a change at AWS helps.
    pub(crate) fn is_refusal(&self) -> bool {
        self.kind == RetryKind::Refused
    }

    /// Returns what the policy needs to know.
    pub(crate) fn failure(&self) -> FetchFailure {
        match self.kind {
            RetryKind::Refused => FetchFailure::Refused { retry_at: self.retry_at },
            RetryKind::NoAnswer | RetryKind::Other => FetchFailure::Transient { retry_at: self.retry_at },
        }
    }

    /// Shortens the wait after a missing answer to a small delay that depends on the name, and returns whether there
    /// was such a wait. The failures still count, so an unstable network does not cause many calls.
    pub(super) fn end_wait(&mut self, name: impl Hash, now: Timestamp) -> bool {
        let soon = now.plus(jitter(RETRY_MIN * 10, seed(name)));
        let ends = self.kind == RetryKind::NoAnswer && is_waiting(now, self.retry_at) && soon < self.retry_at;
        if ends {
            self.retry_at = soon;
        }
        ends
    }
}
