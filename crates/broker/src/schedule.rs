//! What is due when, and what the refresher does about it.

pub(crate) mod deadlines;
mod tick;

pub use tick::Tick;
