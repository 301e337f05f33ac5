//! IAM Identity Center over HTTP: OIDC (sign-in and renewal) and the SSO portal (accounts, role credentials).
//!
//! The only crate that calls AWS. Wire formats and error names are AWS's service models', `sso-oidc` and `sso`
//! of 2019-06-10, both restJson1: camelCase members, unsigned, errors named by `x-amzn-errortype`.

pub mod answers;
mod client;
mod endpoints;
mod errors;
mod probe;
mod wire;

pub use client::{IdentityCenter, Network, SetupError};
pub use endpoints::{oidc_base, portal_base};
pub use errors::{ErrorAnswer, Service, classify};
pub use probe::ProbeAnswer;
