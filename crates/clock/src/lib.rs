//! Reads the time, and sleeps until a deadline.
//!
//! Every crate that decides by the time takes a [`Clock`]. The daemon's is a [`WallClock`]; tests and the simulation
//! use their own [`TimeSource`], so they control the time.

#[cfg(target_os = "linux")]
mod alarm;
mod correction;
mod handle;
mod source;
mod supervisor;
mod wall_clock;

pub use correction::{Correction, Reading, describe_clock_error};
pub use handle::Clock;
pub use source::{Sleep, TimeSource};
pub use supervisor::sleep_supervised;
pub use wall_clock::WallClock;
