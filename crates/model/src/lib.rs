//! The types that all crates of ssod share, and the traits through which these crates use each other.
//!
//! This crate has no I/O, no runtime and no wire formats.

mod credentials;
mod destinations;
mod endpoints;
mod flow;
mod identity;
mod names;
mod partition;
mod profile;
mod program;
mod public_url;
mod refusal;
mod regions;
mod role_id;
mod secret;
mod session;
mod similar;
mod source;
mod store;
mod text;
mod timestamp;

pub use credentials::RoleCredentials;
pub use destinations::Destinations;
pub use endpoints::Endpoints;
pub use flow::SignInFlow;
pub use identity::{Account, DeviceAuthorization, Grant, IdentityError, IdentityProvider};
pub use jiff::{SignedDuration, Timestamp};
pub use names::{AccountId, InvalidName, ProfileName, Region, RoleName, SessionName, StartUrl};
pub use partition::Partition;
pub use profile::Profile;
pub use program::Program;
pub use public_url::public_url;
pub use refusal::Refusal;
pub use regions::RegionGuess;
pub use role_id::RoleId;
pub use secret::Secret;
pub use session::{ClientRegistration, SessionRecord, SessionTokens, SsoSession};
pub use similar::{did_you_mean, similar_names};
pub use source::{Cached, CredentialSource, Floor};
pub use store::{CachedCredentials, EndpointTokens, SecretStore, StoreError, TokenSet};
pub use text::{is_printable, printable};
pub use timestamp::{TimestampExt, system_time};
