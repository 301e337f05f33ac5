//! The types that all crates of ssod share, and a trait for each type that has two implementations.
//!
//! It has no I/O, no runtime and no wire formats: the other crates use each other through these types.

mod credentials;
mod flow;
mod identity;
mod names;
mod profile;
mod program;
mod refusal;
mod role_id;
mod secret;
mod session;
mod similar;
mod source;
mod store;
mod timestamp;

pub use credentials::RoleCredentials;
pub use flow::SignInFlow;
pub use identity::{Account, DeviceAuthorization, Grant, IdentityError, IdentityProvider};
pub use jiff::{SignedDuration, Timestamp};
pub use names::{AccountId, InvalidName, ProfileName, Region, RoleName, SessionName, StartUrl};
pub use profile::Profile;
pub use program::Program;
pub use refusal::Refusal;
pub use role_id::RoleId;
pub use secret::Secret;
pub use session::{ClientRegistration, Endpoints, SessionRecord, SessionTokens, SsoSession};
pub use similar::{did_you_mean, similar_names};
pub use source::{Cached, CredentialSource, Floor};
pub use store::{CachedCredentials, EndpointTokens, SecretStore, StoreError};
pub use timestamp::{TimestampExt, system_time};
