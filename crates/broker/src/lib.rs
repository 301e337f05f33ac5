//! Every decision and all state: which sessions are signed in, which role credentials are held, what is renewed when,
//! and what each caller gets. It uses no HTTP and no files: Identity Center, the store and the clock are
//! arguments, behind the traits of `ssod_model` and `ssod_clock`.
//!
//! The whole policy is in [`decide`](mod@decide); everything else carries out its decisions. The state has one owner,
//! and changes only through methods that are named after events.

mod broker;
mod choice;
pub mod decide;
mod event;
mod fetch;
mod journal;
mod policy;
mod portal;
mod schedule;
mod serve;
mod sign_in;
mod state;
mod status;
mod tokens;

pub use broker::Broker;
pub use choice::{ProfileChoice, Revert};
pub use event::Event;
pub use policy::{KeepFresh, Policy};
pub use portal::limiter;
pub use schedule::Tick;
pub use sign_in::{Logout, SignInError, SigningIn};
pub use state::{BoundToken, NotOpen, SealReason};
pub use status::{BrokerProfileStatus, BrokerSessionStatus, BrokerStatus, SignInState, TroubleStatus};

#[cfg(test)]
mod tests;
