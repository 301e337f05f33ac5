//! The control API: HTTP and JSON on a Unix socket, for this user's clients. `routes` lists all routes; each one has
//! its own file.

pub(crate) mod api;
mod auditor;
pub(crate) mod context;
mod failure;
mod guard;
mod lookup;
mod overrides;
mod report;
mod routes;
mod time;
