//! The end-to-end tests, with real processes and real AWS clients. `cargo xtask test` builds the programs, makes the
//! Python environment, and sets the variables with their paths.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a panic fails the test, as it should, and files of a test need not survive a crash"
)]

mod answers;
mod as_root;
mod audit;
mod audit_chain;
mod aws_cli_sign_in;
mod aws_config_files;
mod bad_input;
mod blocking_files;
mod browsers;
mod clients;
mod clock_jumps;
mod completions;
mod configure;
mod control_socket;
mod crash;
mod day;
mod destinations;
mod doctor;
mod escapes;
mod exposed_files;
mod identity;
mod key_stores;
mod kills;
mod live_config;
mod misspellings;
mod no_key_store;
mod notices;
mod paths;
mod plain_command_line;
mod presence;
mod protocols;
mod races;
mod rekey;
mod rollback;
mod secrets;
mod service;
mod setup;
mod shared_token;
mod shell_failures;
mod shells;
mod short_lifetimes;
mod sign_in;
mod stampede;
mod starvation;
mod stops;
mod ten_hours;
mod terminal;
mod threat_table;
mod token_age;
mod token_files;
