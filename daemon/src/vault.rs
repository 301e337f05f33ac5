//! The vault as the daemon keeps it: opened, locked, rekeyed; and the endpoint's tokens that it holds.

pub(crate) mod endpoint_tokens;
pub(crate) mod keeper;
pub(crate) mod outcome;
pub(crate) mod state;
