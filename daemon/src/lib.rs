//! The daemon as a library: the wiring of all crates, and the effects that none of them has. A short `main` runs
//! it; tests and the simulation start it in their own process with their own clock.

mod app;
mod audit;
mod aws_cli;
mod aws_config;
mod capacity;
mod control;
mod endpoint_tokens;
mod file_watch;
mod folders;
mod inherited;
mod instance_lock;
mod listeners;
mod logging;
mod memory;
mod network;
#[cfg(target_os = "linux")]
mod network_watch;
mod notices;
mod refresher;
#[cfg(target_os = "linux")]
mod resume;
mod service_manager;
mod settings;
mod sign_in_hosts;
mod vault_keeper;

pub use app::{App, Options, Variables};
pub use inherited::Inherited;
pub use instance_lock::{AlreadyRuns, InstanceLock};
pub use listeners::ports;
pub use logging::{LogFormat, init as init_logging};
pub use refresher::run as run_refresher;
pub use settings::{Settings, SettingsError};
