//! The daemon's configuration: its settings, the AWS config file, and the watch on both.

pub(crate) mod aws_config;
mod draft_sessions;
mod file_watch;
pub(crate) mod live_settings;
pub(crate) mod network;
pub(crate) mod problem;
pub(crate) mod reload;
pub(crate) mod settings;
pub(crate) mod unknown_profiles;

pub(crate) use file_watch::FileWatch;
