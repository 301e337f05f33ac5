//! A stateful IAM Identity Center on loopback, for anybody who tests SSO tools.
//!
//! [`Center`] is a pure state machine: time and randomness come in as arguments, so that a simulation can use
//! it as its model. [`Server`] puts AWS's wire format, the pages that a person sees, and a control API before it.

mod center;
mod errors;
mod faults;
mod http;
mod mint;
mod oidc;
mod portal;
mod world;

pub use center::{Center, Lifetimes, LoggedRequest};
pub use errors::ApiError;
pub use faults::{Fault, FaultKind};
pub use http::Server;
pub use mint::{Minter, StsKeys};
pub use oidc::{Authorization, Device, Grant, Registration, Token};
pub use portal::RoleGrant;
pub use world::{Account, Assignment, PermissionSet, Profile, Session, User, World};
