//! What ssod's tests are made of: a clock that stands still until it is told, a store in memory, and sandboxes in
//! which real processes run. A test that cannot be set up fails with the reason, so everything here panics.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::disallowed_methods,
    reason = "a test kit: what fails, fails the test; its files need not survive a crash"
)]

mod clock;
mod http;
pub mod leaks;
mod moto;
mod processes;
mod sandbox;
mod simulated;
mod store;

pub use clock::ManualClock;
pub use http::{
    Reply, approve_browser, approve_device, delete, get, get_with, post_form, post_json, put_with,
};
pub use moto::Moto;
pub use processes::{Finished, Running, interop, programs, run, run_with_input};
pub use sandbox::{ACCOUNT, FakeOptions, Person, Sandbox, free_port};
pub use simulated::SimulatedIdentityCenter;
pub use store::MemoryStore;
