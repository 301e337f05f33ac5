//! A stateful IAM Identity Center on loopback, for tests of SSO tools.
//!
//! [`Center`] is a pure state machine: the time is an argument and a seed determines its secrets, so a simulation can
//! use it as its model. [`Server`] serves it over HTTP: in AWS's wire format, with the pages for the user, and with
//! routes for tests.

mod center;
mod errors;
mod faults;
mod http;
mod mint;
mod oidc;
mod portal;
mod records;
mod world;

pub use center::{Center, Lifetimes, LoggedRequest};
pub use errors::ApiError;
pub use faults::{Fault, FaultKind, Replacement};
pub use http::Server;
pub use mint::{Minter, StsKeys};
pub use oidc::{AuthorizationRequest, DeviceResponse, TokenRequest, TokenResponse};
pub use portal::RoleGrant;
pub use records::Registration;
pub use world::{Assignment, AwsAccount, PermissionSet, SuggestedProfile, SuggestedSession, User, World};
