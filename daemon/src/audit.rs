//! The audit log: which caller got which profile's credentials, and which caller was refused. Each line is one JSON
//! object, so nothing in a program's name can forge a line.

mod log;
mod log_file;
mod note;
mod programs;
mod writer;

pub(crate) use log::AuditLog;
