//! The nouns of ssod, and the trait beside each noun that has two implementations.
//!
//! No I/O, no runtime, no wire formats: every other crate meets its siblings through these types.

mod credentials;
mod identity;
mod names;
mod profile;
mod program;
mod refusal;
mod secret;
mod session;
mod source;
mod store;
mod timestamp;

pub use credentials::RoleCredentials;
pub use identity::{Account, DeviceAuthorization, Grant, IdentityError, IdentityProvider, SignInFlow};
pub use jiff::{SignedDuration, Timestamp};
pub use names::{AccountId, InvalidName, ProfileName, Region, RoleName, SessionName, StartUrl};
pub use profile::Profile;
pub use program::Program;
pub use refusal::Refusal;
pub use secret::Secret;
pub use session::{ClientRegistration, Endpoints, SessionRecord, SessionTokens, SsoSession};
pub use source::{Cached, CredentialSource, Floor};
pub use store::{CachedCredentials, EndpointTokens, SecretStore, StoreError};
pub use timestamp::{TimestampExt, system_time};
