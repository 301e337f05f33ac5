//! End to end: real processes, real AWS clients. `cargo xtask test` builds the programs, makes the Python environment
//! and says where both are.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "what fails, fails the test; its files need not survive a crash"
)]

mod as_root;
mod audit;
mod aws_cli_sign_in;
mod bad_input;
mod browsers;
mod clients;
mod clock_jumps;
mod configure;
mod control_socket;
mod crash;
mod day;
mod doctor;
mod key_stores;
mod kills;
mod live_config;
mod notices;
mod protocols;
mod races;
mod rekey;
mod secrets;
mod service;
mod shared_token;
mod shells;
mod short_lives;
mod sign_in;
mod stampede;
mod stops;
mod ten_hours;
mod terminal;
mod threat_table;
