//! What client and daemon say to each other: HTTP and JSON on a Unix socket. Types, every path on disk, and the
//! small client; no server, no TLS.
//!
//! The protocol only grows: unknown fields are ignored, new ones have defaults. `tests` pins it on literal JSON.

mod client;
mod message;
mod paths;

pub use client::{ClientError, ControlClient, Events};
pub use message::{
    Account, ActiveProfile, Checked, Credentials, CredentialsRequest, DaemonStatus, EnvRequest, Environment,
    ErrorBody, ImdsPort, ListRequest, ListedSession, LoggedOut, LoginEvent, LoginFlow, LoginRequest,
    LogoutRequest, LogoutResult, ProfileState, ProfileStatus, SessionState, SessionStatus, Status,
    StillValid, Trouble, UseRequest,
};
pub use paths::{Paths, PathsError};

/// The protocol's version, sent in [`API_HEADER`] both ways. It grows when an old client would misunderstand.
pub const API_VERSION: u32 = 1;
/// Carries [`API_VERSION`].
pub const API_HEADER: &str = "ssod-api";
