//! Opens, locks and rekeys the vault, and manages the endpoint's tokens, which are stored in it.

pub(crate) mod endpoint_tokens;
pub(crate) mod keeper;
pub(crate) mod state;
