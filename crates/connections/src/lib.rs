//! Serves HTTP on any listener of the daemon: which callers are admitted, how many connections they may hold, and how
//! long each step of a request may take. Every listener uses [`serve`], so no listener is without these limits.
//!
//! A connection of another user gets one refusal from a small share of its own. A connection of this user has a slot
//! from a small share of the user's slots until it has shown its [`Proof`], because a program that holds connections
//! without one, such as a broken tool or a rootless container, must not keep the user's own programs out.

mod capacity;
mod deadlines;
mod handler;
mod proof;
mod request;
mod serve;

pub use capacity::{Capacity, Shares};
pub use handler::Handler;
pub use proof::{CallerProof, Proof};
pub use serve::{Admission, ConnectionRules, Timeouts, serve};
