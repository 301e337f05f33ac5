//! When work is due, and the tick that starts it.

pub(crate) mod deadlines;
mod tick;

pub use tick::Tick;
