//! The interface to the operating system.

pub(crate) mod desktop;
pub(crate) mod environment;
pub(crate) mod file_access;
pub(crate) mod folders;
pub(crate) mod hardening;
pub(crate) mod instance_lock;
pub(crate) mod logging;
#[cfg(target_os = "linux")]
pub(crate) mod network_watch;
#[cfg(target_os = "linux")]
pub(crate) mod resume;
pub(crate) mod service_manager;
