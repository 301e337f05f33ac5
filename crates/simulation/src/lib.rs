//! Months of a laptop's life in seconds: the real engine (the broker, the refresher's loop, the wall clock's supervisor) against
//! a model of everything around it: Identity Center, the network, the disk, the clock, a person, and `kill -9`.
//!
//! All of it runs on the runtime's paused clock in one thread and follows from a seed. What is promised to the user is
//! checked after each step; a promise that breaks is told with its seed.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::print_stderr,
    reason = "a simulation that cannot go on fails the test that runs it"
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

pub use scale::{RATE, Scale, scale};
pub use storm::{Outcome, die_at, storm};
pub use week::{Tally, Week, week};
