//! Combines what callers got and what they changed: repeats of one process are one line with a count. Each grant is in a
//! line, or in the count of one.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ssod_control::{AuditAction, AuditEntry, AuditVia};
use ssod_model::{ProfileName, Program};

use super::entry::entry;
use super::note::{Note, NoteOutcome};
use super::programs::{Origin, Programs};
use super::repeats::Repeats;
use super::writer::Combiner;

/// A grant of the same credentials to the same process within this time is counted instead of written.
const GRANT_WINDOW: Duration = Duration::from_secs(1);
/// The maximum number of grants whose repeats are counted at the same time.
const MAX_REPEATS: usize = 512;
/// How many lines an action may have within [`ACTION_WINDOW`]; the rest are counted in one line, so that a program
/// which repeats an action cannot fill the log.
const MAX_ACTION_LINES: u32 = 30;
const ACTION_WINDOW: Duration = Duration::from_mins(1);

/// Called with the program that used a profile.
pub(crate) type OnUse = Box<dyn Fn(&ProfileName, &Program) + Send>;

/// Combines grants and actions.
pub(super) struct Grants {
    on_use: OnUse,
    programs: Programs,
    repeats: Repeats<GrantKey, AuditEntry>,
    action_lines: HashMap<AuditAction, ActionLines>,
    /// The actions above their limit.
    actions: Repeats<AuditAction, AuditEntry>,
}

/// Identifies repeats of one request.
#[derive(Clone, PartialEq, Eq, Hash)]
struct GrantKey {
    via: AuditVia,
    action: Option<AuditAction>,
    profile: Option<ProfileName>,
    detail: Option<String>,
    caller: CallerKey,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum CallerKey {
    Process(u32),
    Cgroup(String),
    Unknown,
}

/// How many lines an action has had since then.
struct ActionLines {
    since: Instant,
    count: u32,
}

impl Grants {
    pub(super) fn new(on_use: OnUse) -> Self {
        Self {
            on_use,
            programs: Programs::new(),
            repeats: Repeats::new(GRANT_WINDOW, MAX_REPEATS),
            action_lines: HashMap::new(),
            actions: Repeats::new(ACTION_WINDOW, MAX_REPEATS),
        }
    }

    /// Returns whether the action may have one more line now.
    fn may_write(&mut self, action: AuditAction, now: Instant) -> bool {
        let lines = self.action_lines.entry(action).or_insert(ActionLines { since: now, count: 0 });
        if now.duration_since(lines.since) >= ACTION_WINDOW {
            *lines = ActionLines { since: now, count: 0 };
        }
        lines.count += 1;
        lines.count <= MAX_ACTION_LINES
    }

    /// Counts an action that may have no line of its own.
    fn count_action(&mut self, action: AuditAction, entry: AuditEntry, now: Instant) -> Option<AuditEntry> {
        if let Some(counted) = self.actions.get_mut(&action) {
            counted.repeated += 1;
            counted.at = entry.at;
            return None;
        }
        let detail = Some("above the limit of lines per minute, by any program".to_owned());
        let AuditEntry { at, outcome, via, uid, .. } = entry;
        let action_name = Some(action);
        let counted = AuditEntry {
            at,
            outcome,
            via,
            uid,
            action: action_name,
            detail,
            repeated: 1,
            ..AuditEntry::default()
        };
        self.actions.begin(action, counted, now)
    }
}

impl Combiner for Grants {
    fn combine(&mut self, mut note: Note, now: Instant) -> Vec<AuditEntry> {
        let origin = self.programs.origin(&mut note);
        if let (Origin::Program(program), Some(profile), NoteOutcome::Served) =
            (&origin, &note.profile, &note.outcome)
        {
            (self.on_use)(profile, program);
        }
        let key = GrantKey {
            via: note.via,
            action: note.action,
            profile: note.profile.clone(),
            detail: note.detail.clone(),
            caller: match &origin {
                Origin::Program(Program { pid, .. }) | Origin::Process(pid) => CallerKey::Process(*pid),
                Origin::Cgroup(path) => CallerKey::Cgroup(path.clone()),
                Origin::Unknown => CallerKey::Unknown,
            },
        };
        if let Some(counted) = self.repeats.get_mut(&key) {
            counted.repeated += note.count;
            counted.at = note.at.to_string();
            return Vec::new();
        }
        let more = note.count.saturating_sub(1);
        let entry = entry(note, origin);
        if let Some(action) = entry.action
            && !self.may_write(action, now)
        {
            return self.count_action(action, entry, now).into_iter().collect();
        }
        let ended = self
            .repeats
            .begin(key, AuditEntry { repeated: more, ..entry.clone() }, now)
            .filter(|counted| counted.repeated > 0);
        [ended, Some(entry)].into_iter().flatten().collect()
    }

    fn next_end(&self) -> Option<Instant> {
        self.repeats.next_end().into_iter().chain(self.actions.next_end()).min()
    }

    fn end(&mut self, now: Option<Instant>) -> Vec<AuditEntry> {
        let repeats = std::iter::from_fn(|| self.repeats.end_next(now));
        let actions = std::iter::from_fn(|| self.actions.end_next(now));
        repeats.chain(actions).filter(|counted| counted.repeated > 0).collect()
    }
}
