//! What client and daemon say to each other: HTTP and JSON on a Unix socket. Types, every path on disk, and the
//! small client; no server, no TLS.
//!
//! The protocol only grows: unknown fields are ignored, new ones have defaults. `tests` pins it on literal JSON.

mod audit;
mod client;
mod doctor;
mod message;
mod paths;
mod status;

pub use audit::AuditEntry;
pub use client::{ClientError, ControlClient, Events};
pub use doctor::{Check, CheckState};
pub use message::{
    Account, Checked, Credentials, CredentialsRequest, Done, EnvRequest, Environment, ErrorBody, ListRequest,
    ListedSession, Locked, LoggedOut, LoginEvent, LoginFlow, LoginRequest, LogoutRequest, LogoutResult,
    RekeyRequest, Rekeyed, StillValid, Unlocked, UseRequest,
};
pub use paths::{Paths, PathsError};
pub use status::{
    ActiveProfile, DaemonStatus, ImdsPort, ProfileState, ProfileStatus, SessionState, SessionStatus, Status,
    Trouble, VaultStatus,
};

/// The protocol's version, sent in [`API_HEADER`] both ways. It grows when an old client would misunderstand.
pub const API_VERSION: u32 = 1;
/// The daemon's exit status where another one runs already, which soon answers.
pub const ALREADY_RUNS: u8 = 3;
/// Carries [`API_VERSION`].
pub const API_HEADER: &str = "ssod-api";
/// What `--version` says after the program's name.
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
