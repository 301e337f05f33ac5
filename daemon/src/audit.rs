//! The audit logs: which caller got which profile's credentials, which client changed what, and in a log of its own,
//! which caller was refused. Each line is one JSON object, so nothing in a program's name can forge a line, and each
//! line is chained to the one before, so that a changed line is found.

mod budget;
mod entry;
mod grants;
mod log;
mod log_end;
mod log_file;
mod no_room;
mod note;
mod overflow;
mod programs;
mod refusals;
mod repeated_grants;
mod repeats;
mod writer;

pub(crate) use log::{AuditLog, ControlNote};
pub(crate) use note::NoteOutcome;
