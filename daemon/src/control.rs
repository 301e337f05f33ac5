//! The control API: HTTP and JSON on a Unix socket, for this user's clients. `routes` lists every route,
//! each of which has a file of its own.

pub(crate) mod api;
pub(crate) mod context;
mod failure;
mod guard;
mod lookup;
mod report;
mod routes;
mod time;
