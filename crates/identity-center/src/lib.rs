//! IAM Identity Center over HTTP: OIDC (sign-in and renewal) and the SSO portal (accounts, role credentials).
//!
//! This is the only crate that calls AWS. The wire formats and the error names are those of AWS's service models
//! `sso-oidc` and `sso` of 2019-06-10. Both use the protocol restJson1 with unsigned requests; the header
//! `x-amzn-errortype` names the error.

pub mod answers;
mod client;
mod destination;
mod endpoints;
mod errors;
mod http;
mod loopback;
mod operation;
mod probe;
mod transport;
mod wire;

pub use client::IdentityCenter;
pub use destination::{EndpointError, check_endpoint};
pub use endpoints::{oidc_base, portal_base};
pub use errors::{ErrorAnswer, classify};
pub use http::{HttpOptions, ProxyOptions, SetupError};
pub use loopback::{LoopbackCheck, LoopbackConnection};
pub use operation::Operation;
pub use probe::ProbeAnswer;
