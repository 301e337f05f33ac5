//! The building blocks of ssod's tests: sandboxes with real processes, a manual clock, a simulated Identity Center, and
//! a store in memory. A test that cannot be set up must fail with the reason, so everything here panics.
#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::disallowed_methods,
    reason = "a panic fails the test, as it should, and files of a test need not survive a crash"
)]

mod clock;
mod http;
pub mod leaks;
mod moto;
mod ports;
mod processes;
mod recorder;
mod sandbox;
mod signed_requests;
mod simulated;
mod store;
mod test_user;
mod wait;

pub use clock::ManualClock;
pub use http::{
    Reply, approve_browser, approve_device, delete, get, get_with, post_form, post_json, put_with,
    try_get_with,
};
pub use moto::Moto;
pub use ports::free_port;
pub use processes::{
    ChildProcess, CommandOutput, node_modules, programs, python_environment, run, run_with_input,
    rust_sdk_client,
};
pub use recorder::Recorder;
pub use sandbox::{DaemonHandle, FakeHandle, FakeOptions, Sandbox};
pub use signed_requests::SignedRequests;
pub use simulated::SimulatedIdentityCenter;
pub use ssod_fake_identity_center::{FaultKind, Replacement};
pub use store::MemoryStore;
pub use test_user::{ACCOUNT, TestUser};
pub use wait::{fastest_of, wait_until, wait_until_within};
