//! A stateful IAM Identity Center on loopback, for tests of SSO tools.
//!
//! [`Center`] is a pure state machine: time and randomness come in as arguments, so a simulation can use it as
//! its model. [`Server`] puts AWS's wire format, the pages that a user sees, and a control API before it.

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
pub use faults::{Fault, FaultKind};
pub use http::Server;
pub use mint::{Minter, StsKeys};
pub use oidc::{Authorization, Device, Grant, Token};
pub use portal::RoleGrant;
pub use records::Registration;
pub use world::{Account, Assignment, PermissionSet, Profile, Session, User, World};
