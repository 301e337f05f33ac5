//! Simulates months of a laptop in seconds: the real engine (the broker, the refresher's loop, the supervised wall
//! clock) against a model of Identity Center, the network, the disk, the clock, the user and `kill -9`.
//!
//! Everything runs in one thread on the runtime's paused clock, and a seed determines all events and faults. The
//! promises to the user are checked after each event, and a test reports the seed of a broken promise.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::print_stderr,
    reason = "a simulation that cannot continue fails the test that runs it"
)]

mod cloud;
mod disk;
mod laptop;
mod ledger;
mod life;
mod scale;
mod setup;
mod storm;
mod time;
mod week;

pub use scale::{RATE, ScaleOutcome, scale};
pub use storm::{StormOutcome, die_at, storm};
pub use week::{Tally, Week, week};
