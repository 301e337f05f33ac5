//! Where the vault's key is, and how it is found or created.

pub(crate) mod access;
mod counter_file;
mod encoding;
pub(crate) mod error;
mod file;
pub(crate) mod find;
mod keyring;
pub(crate) mod kind;
pub(crate) mod location;
#[cfg(not(target_os = "linux"))]
pub(crate) mod no_presence;
#[cfg(target_os = "linux")]
pub(crate) mod presence;
#[cfg(target_os = "linux")]
mod secret_service_probe;
