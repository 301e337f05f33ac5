//! What happens to entries when the queue of a log is full, or its file accepts none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ssod_control::AuditEntry;

use super::overflow::Overflow;

/// What happens to an entry for which there is no room.
#[derive(Clone)]
pub(super) enum NoRoom {
    /// It is counted.
    Count(Arc<Overflow>),
    /// It is lost, and the next line says how many are.
    Lose(Arc<AtomicU64>),
}

impl NoRoom {
    pub(super) fn add(&self, entry: impl FnOnce() -> AuditEntry) {
        match self {
            Self::Count(overflow) => overflow.add(entry()),
            Self::Lose(lost) => {
                lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Takes the lines with the counts.
    pub(super) fn take_counts(&self) -> Vec<AuditEntry> {
        match self {
            Self::Count(overflow) => overflow.take(),
            Self::Lose(_) => Vec::new(),
        }
    }

    /// Takes how many entries were lost.
    pub(super) fn take_lost(&self) -> u64 {
        match self {
            Self::Count(_) => 0,
            Self::Lose(lost) => lost.swap(0, Ordering::Relaxed),
        }
    }
}
