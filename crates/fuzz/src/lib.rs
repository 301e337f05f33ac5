//! Properties that must hold for any input bytes: one check for each boundary where untrusted bytes enter.
//!
//! The tests run each check on its corpus and on random mutations of it; `libfuzzer/` runs the same checks under
//! cargo-fuzz (see the README). When a bug that a fuzzer found is fixed, its input stays in `corpus/TARGET/`.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::missing_panics_doc,
    reason = "a broken property is a panic, which a fuzzer detects"
)]

mod answers;
mod config;
mod control;
mod endpoint;
mod endpoint_url;
mod vault;

/// A target's name, and its check, which panics if a property does not hold.
pub type FuzzTarget = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [FuzzTarget; 7] = [
    ("config", config::check),
    ("control", control::check),
    ("endpoint", endpoint::check),
    ("endpoint_url", endpoint_url::check),
    ("answers", answers::check),
    ("vault_header", vault::check_header),
    ("vault_record", vault::check_record),
];
