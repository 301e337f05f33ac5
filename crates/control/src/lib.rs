//! The protocol between client and daemon, which is HTTP and JSON on a Unix socket: message types, the paths on disk,
//! and the blocking client. This crate has no server and no TLS.
//!
//! The protocol is only extended: readers ignore unknown fields, and new fields have defaults. Tests pin it with
//! literal JSON.

mod audit;
mod audit_chain;
mod client;
mod daemon_environment;
mod doctor;
mod message;
mod owners;
mod paths;
mod service_text;
mod status;
mod user_path;
mod version;

pub use audit::{AuditAction, AuditEntry, AuditOutcome, AuditVia};
pub use audit_chain::{
    AuditWritten, ChainFault, ChainHead, ChainReport, ChainVerifier, ChainedLine, FaultKind, LineText,
    chain_line, hash_of_lost_line,
};
pub use client::{ClientError, ControlClient, Events, Held, UntrustedSocket};
pub use daemon_environment::{
    ALLOCATOR_VARIABLES, CA_BUNDLE_VARIABLE, ENDPOINT_VARIABLES, NO_PROXY_VARIABLES, PROXY_VARIABLES,
    first_set, is_daemon_variable, is_loader_variable,
};
pub use doctor::{Check, CheckGroup, CheckState};
pub use message::*;
pub use owners::OtherUsersPath;
pub use paths::{Paths, PathsError};
pub use service_text::{plist_path, systemd_program};
pub use status::{
    ActiveProfile, DaemonStatus, EndpointOverride, ImdsPort, NetworkValue, ProfileState, ProfileStatus,
    SessionState, SessionStatus, Status, Trouble, VaultStateKind, VaultStatus,
};
pub use user_path::{UserPathError, resolve_user_path};
pub use version::{ALREADY_RUNS, API_HEADER, API_VERSION, VERSION};
