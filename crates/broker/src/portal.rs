//! Calls to the portal, within its rate limit.

mod calls;
pub mod limiter;
