//! What must hold whatever bytes come in: one body for each edge where foreign bytes enter.
//!
//! The tests run each body over its corpus and over random changes of it; `libfuzzer/` runs the same bodies under
//! cargo-fuzz (see its README). What a fuzzer finds is mended and stays in `corpus/TARGET/` as a case.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::missing_panics_doc,
    reason = "a broken promise is a panic here, which is what a fuzzer looks for"
)]

mod answers;
mod config;
mod control;
mod endpoint;
mod vault;

/// A name, and what must hold for any bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 6] = [
    ("config", config::check),
    ("control", control::check),
    ("endpoint", endpoint::check),
    ("answers", answers::check),
    ("vault_header", vault::check_header),
    ("vault_record", vault::check_record),
];
