//! The protocol between client and daemon, which is HTTP and JSON on a Unix socket: message types, the paths on disk,
//! and the blocking client. This crate has no server and no TLS.
//!
//! The protocol is only extended: readers ignore unknown fields, and new fields have defaults. Tests pin it with
//! literal JSON.

mod audit;
mod client;
mod doctor;
mod message;
mod owners;
mod paths;
mod service_text;
mod status;
mod user_path;
mod version;

pub use audit::{AuditEntry, AuditOutcome, AuditVia};
pub use client::{ClientError, ControlClient, Events, Held, UntrustedSocket};
pub use doctor::{Check, CheckGroup, CheckState};
pub use message::*;
pub use owners::OtherUsersPath;
pub use paths::{Paths, PathsError};
pub use service_text::{plist_path, systemd_program};
pub use status::{
    ActiveProfile, DaemonStatus, EndpointOverride, ImdsPort, ProfileState, ProfileStatus, SessionState,
    SessionStatus, Status, Trouble, VaultStateKind, VaultStatus,
};
pub use user_path::{UserPathError, resolve_user_path};
pub use version::{ALREADY_RUNS, API_HEADER, API_VERSION, VERSION};
