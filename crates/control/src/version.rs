//! The versions of the protocol and of the programs.

/// The protocol's version, which both sides send in [`API_HEADER`]. It changes when an older client would misunderstand
/// a response.
pub const API_VERSION: u32 = 1;
/// The daemon's exit status if another daemon of this user is running already.
pub const ALREADY_RUNS: u8 = 3;
/// The header with [`API_VERSION`].
pub const API_HEADER: &str = "ssod-api";
/// What `--version` prints after the program's name.
pub const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (commit ",
    env!("SSOD_COMMIT"),
    ", ",
    env!("SSOD_BUILD"),
    " build for ",
    env!("SSOD_TARGET"),
    ")"
);
