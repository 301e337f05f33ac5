//! The HTTP that AWS SDKs call: container credentials and IMDSv2, behind one guard.
//!
//! [`Endpoint`] answers from a [`CredentialSource`](ssod_model::CredentialSource).

mod audit;
mod audited_response;
mod container;
mod guard;
mod imds;
mod imds_token;
mod service;
mod target;
mod tokens;
mod wire;

pub use audit::{Access, Audit, Caller, Grant, Noted, Outcome, Protocol, Repeats, SharedAudit};
pub use imds_token::ImdsTokens;
pub use service::{Endpoint, EndpointConnection, Port, Services};
pub use tokens::{RENEWAL_INTERVAL, TokenOwner, Tokens};
