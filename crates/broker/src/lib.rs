//! Every decision and all state: which sessions are signed in, which role credentials are held, what is renewed
//! when, who gets what. No HTTP, no files: Identity Center, the store and the clock come in through
//! `ssod_model`'s traits.
//!
//! The whole policy reads in [`decide`](mod@decide); everything else carries its decisions out.

mod active;
mod broker;
mod closed;
mod deadlines;
pub mod decide;
mod event;
mod fetch;
pub mod limiter;
mod persist;
mod phase;
mod policy;
mod sign_in;
mod source;
mod state;
mod status;
mod timer;
mod tokens;
mod unsaved;

pub use active::Active;
pub use broker::Broker;
pub use event::Event;
pub use phase::Closed;
pub use policy::{KeepFresh, Policy};
pub use sign_in::{Logout, SignInError, SigningIn};
pub use status::{ProfileStatus, SessionState, SessionStatus, Status, TroubleStatus};
pub use timer::Round;

#[cfg(test)]
mod tests;
