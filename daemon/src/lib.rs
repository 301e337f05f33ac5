//! The daemon as a library: it connects all crates, and has the side effects that none of them has. `main` runs it;
//! tests start it in their own process with their own clock.

mod app;
mod audit;
mod aws_cli;
mod config;
mod control;
mod listen;
mod live_broker;
mod notices;
mod refresher;
mod sentence;
mod shutdown;
mod sign_in_hosts;
mod state_file;
mod system;
mod vault;

pub use app::{App, Options, VariableReader};
pub use config::settings::{Mistake, Settings, SettingsError};
pub use listen::bind::ports;
pub use listen::inherited::Inherited;
pub use refresher::run as run_refresher;
pub use system::environment::restrict_environment;
pub use system::hardening::harden;
pub use system::instance_lock::{AlreadyRuns, InstanceLock};
pub use system::logging::{LogFormat, init as init_logging};
