//! The control API: HTTP and JSON on a Unix socket, for this user's clients. `api` lists every route; each route has a file of
//! its own in `routes`.

pub(crate) mod api;
pub(crate) mod context;
mod failure;
mod guard;
mod lookup;
mod report;
mod routes;
mod time;
