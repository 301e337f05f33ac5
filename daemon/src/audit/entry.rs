//! Turns a note into an entry of the log.

use ssod_control::{AuditEntry, AuditOutcome};

use super::note::{Note, NoteOutcome};
use super::programs::Origin;

/// Returns the entry for a note of that origin.
pub(super) fn entry(note: Note, origin: Origin) -> AuditEntry {
    let (pid, program, cgroup) = match origin {
        Origin::Program(program) => (Some(program.pid), Some(program), None),
        Origin::Process(pid) => (Some(pid), None, None),
        Origin::Cgroup(cgroup) => (None, None, Some(cgroup)),
        Origin::Unknown => (None, None, None),
    };
    let (outcome, reason) = match note.outcome {
        NoteOutcome::Served => (AuditOutcome::Served, None),
        NoteOutcome::Done => (AuditOutcome::Done, None),
        NoteOutcome::Refused { reason, .. } => (AuditOutcome::Refused, Some(reason)),
    };
    AuditEntry {
        at: note.at.to_string(),
        outcome,
        action: note.action,
        profile: note.profile.map(|profile| profile.to_string()),
        via: note.via,
        uid: note.uid,
        pid,
        program: program.as_ref().map(|program| program.name.clone()),
        path: program.map(|program| program.path),
        cgroup,
        detail: note.detail,
        reason,
        ..AuditEntry::default()
    }
}

/// Makes an entry name no process, because several made the requests that it counts.
pub(super) fn forget_process(entry: &mut AuditEntry) {
    let AuditEntry { pid, program, path, cgroup, .. } = entry;
    (*pid, *program, *path, *cgroup) = (None, None, None, None);
}
