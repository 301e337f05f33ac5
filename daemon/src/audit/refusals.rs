//! Combines refusals: a kind of refusal has a few lines per minute, and a count of the rest. A refused caller chooses
//! the names in its requests, so no name is part of what identifies a kind.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use ssod_control::{AuditAction, AuditEntry, AuditVia};
use ssod_model::ProfileName;

use super::entry::{entry, forget_process};
use super::note::{Note, NoteOutcome};
use super::programs::{Origin, Programs};
use super::repeats::Repeats;
use super::writer::Combiner;

/// The time after which a kind of refusal may have lines again.
const WINDOW: Duration = Duration::from_mins(1);
/// How many different requests of one kind have lines of their own within that time.
const MAX_LINES: usize = 5;
/// The maximum number of kinds that are counted at the same time. A user can act as many other users (subuid(5)), so
/// further ones are counted together.
const MAX_KINDS: usize = 64;

/// Combines refusals.
pub(super) struct Refusals {
    programs: Programs,
    kinds: Repeats<RefusalKind, Counted>,
}

/// Identifies a kind of refusal.
#[derive(Clone, PartialEq, Eq, Hash)]
struct RefusalKind {
    via: AuditVia,
    action: Option<AuditAction>,
    uid: RefusedUser,
    code: Cow<'static, str>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum RefusedUser {
    Uid(u32),
    NotKnown,
    /// Any user, because too many are counted already.
    Any,
}

/// The refusals of one kind.
struct Counted {
    /// The profiles that were asked for in the requests that have a line.
    written: Vec<Option<ProfileName>>,
    /// The line with the count.
    entry: AuditEntry,
}

impl Refusals {
    pub(super) fn new() -> Self {
        Self { programs: Programs::new(), kinds: Repeats::new(WINDOW, MAX_KINDS) }
    }

    fn kind(&mut self, note: &Note) -> RefusalKind {
        let code = match &note.outcome {
            NoteOutcome::Refused { code, .. } => code.clone(),
            NoteOutcome::Served | NoteOutcome::Done => Cow::Borrowed(""),
        };
        let uid = note.uid.map_or(RefusedUser::NotKnown, RefusedUser::Uid);
        let kind = RefusalKind { via: note.via, action: note.action, uid, code };
        if self.kinds.get_mut(&kind).is_some() || !self.kinds.is_full() {
            return kind;
        }
        RefusalKind { via: note.via, action: None, uid: RefusedUser::Any, code: Cow::Borrowed("") }
    }
}

impl Combiner for Refusals {
    fn combine(&mut self, mut note: Note, now: Instant) -> Vec<AuditEntry> {
        let kind = self.kind(&note);
        let Some(counted) = self.kinds.get_mut(&kind) else {
            let origin = self.programs.origin(&mut note);
            let profile = note.profile.clone();
            let entry = entry(note, origin);
            let written = vec![profile];
            let counted = Counted { written, entry: entry.clone() };
            let ended = self.kinds.begin(kind, counted, now).and_then(Counted::line);
            return [ended, Some(entry)].into_iter().flatten().collect();
        };
        let is_known = counted.written.contains(&note.profile);
        if !is_known && counted.written.len() < MAX_LINES && kind.uid != RefusedUser::Any {
            let origin = self.programs.origin(&mut note);
            let profile = note.profile.clone();
            let entry = entry(note, origin);
            counted.written.push(profile);
            return vec![entry];
        }
        counted.add(note);
        Vec::new()
    }

    fn next_end(&self) -> Option<Instant> {
        self.kinds.next_end()
    }

    fn end(&mut self, now: Option<Instant>) -> Vec<AuditEntry> {
        std::iter::from_fn(|| self.kinds.end_next(now)).filter_map(Counted::line).collect()
    }
}

impl Counted {
    /// Counts one more. The line names only what all counted requests have in common, and no process, because finding
    /// it would take time for each refusal.
    fn add(&mut self, note: Note) {
        let same_profile = note.profile.as_ref().map(ProfileName::as_str) == self.entry.profile.as_deref();
        let outcome = note.outcome.clone();
        let entry = entry(note, Origin::Unknown);
        if !same_profile {
            self.entry.profile = None;
        }
        if self.entry.uid != entry.uid {
            self.entry.uid = None;
        }
        if self.entry.reason != entry.reason
            && let NoteOutcome::Refused { code, .. } = outcome
        {
            self.entry.reason = Some(code.into_owned());
        }
        forget_process(&mut self.entry);
        self.entry.at = entry.at;
        self.entry.repeated += 1;
    }

    /// Returns the line with the count, if there is one.
    fn line(self) -> Option<AuditEntry> {
        (self.entry.repeated > 0).then_some(self.entry)
    }
}
