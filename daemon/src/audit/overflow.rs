//! Counts the entries for which there is no room, so that none is lost without a trace.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ssod_control::{AuditAction, AuditEntry, AuditOutcome, AuditVia};

/// What the line says that counts them.
const DETAIL: &str = "counted without their programs, because too many arrived at the same time";

/// Counts of what callers got. Callers can only get existing profiles, so the number of counts is limited.
#[derive(Default)]
pub(super) struct Overflow {
    has_counts: AtomicBool,
    counts: Mutex<HashMap<OverflowKey, OverflowCount>>,
}

#[derive(PartialEq, Eq, Hash)]
struct OverflowKey {
    via: AuditVia,
    outcome: AuditOutcome,
    action: Option<AuditAction>,
    profile: Option<String>,
}

struct OverflowCount {
    /// When the last one was counted.
    at: String,
    uid: Option<u32>,
    count: u64,
}

impl Overflow {
    /// Counts an entry instead of keeping it.
    pub(super) fn add(&self, entry: AuditEntry) {
        let AuditEntry { at, uid, via, outcome, action, profile, repeated, .. } = entry;
        let key = OverflowKey { via, outcome, action, profile };
        let mut counts = self.counts();
        let counted = counts.entry(key).or_insert(OverflowCount { at: String::new(), uid, count: 0 });
        counted.at = at;
        counted.count += repeated.max(1);
        self.has_counts.store(true, Ordering::Release);
    }

    /// Takes the lines with all counts.
    pub(super) fn take(&self) -> Vec<AuditEntry> {
        if !self.has_counts.swap(false, Ordering::Acquire) {
            return Vec::new();
        }
        let counts = std::mem::take(&mut *self.counts());
        let line = |(OverflowKey { via, outcome, action, profile }, OverflowCount { at, uid, count })| {
            let detail = Some(DETAIL.to_owned());
            AuditEntry {
                at,
                uid,
                via,
                outcome,
                action,
                profile,
                detail,
                repeated: count,
                ..AuditEntry::default()
            }
        };
        counts.into_iter().map(line).collect()
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<OverflowKey, OverflowCount>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
