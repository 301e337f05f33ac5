//! Runs the daemon under the machine's service manager, or detached where there is none.

mod command;
mod detached;
mod launchd;
mod systemd;

use crate::context::Context;
use crate::error::CommandResult;

/// What supervises the daemon on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ServiceManager {
    /// A systemd user manager.
    Systemd,
    /// launchd.
    Launchd,
    /// Nothing: a container, or WSL without systemd.
    Absent,
}

impl ServiceManager {
    fn detect() -> Self {
        if cfg!(target_os = "macos") {
            Self::Launchd
        } else if systemd::is_running() {
            Self::Systemd
        } else {
            Self::Absent
        }
    }
}

/// Starts the service if one is installed, and returns whether it did.
pub(crate) fn start_installed() -> bool {
    match ServiceManager::detect() {
        ServiceManager::Systemd => systemd::is_installed() && systemd::start_quietly(),
        ServiceManager::Launchd => launchd::is_installed() && launchd::start().is_ok(),
        ServiceManager::Absent => false,
    }
}

/// Installs and starts the service.
pub(crate) fn install(context: &Context) -> CommandResult<()> {
    match ServiceManager::detect() {
        ServiceManager::Systemd => systemd::install(context),
        ServiceManager::Launchd => launchd::install(context),
        ServiceManager::Absent => detached::install(),
    }
}

/// Stops and removes the service.
pub(crate) fn uninstall(context: &Context) -> CommandResult<()> {
    match ServiceManager::detect() {
        ServiceManager::Systemd => systemd::uninstall(),
        ServiceManager::Launchd => launchd::uninstall(),
        ServiceManager::Absent => detached::stop(context),
    }
}

/// Starts the service.
pub(crate) fn start(context: &Context) -> CommandResult<()> {
    match ServiceManager::detect() {
        ServiceManager::Systemd => systemd::start(context),
        ServiceManager::Launchd => launchd::start(),
        ServiceManager::Absent => detached::start(context),
    }
}

/// Stops the service.
pub(crate) fn stop(context: &Context) -> CommandResult<()> {
    match ServiceManager::detect() {
        ServiceManager::Systemd => systemd::stop(context),
        ServiceManager::Launchd => launchd::stop(),
        ServiceManager::Absent => detached::stop(context),
    }
}

/// Shows whether the service runs.
pub(crate) fn status(context: &Context) -> CommandResult<()> {
    match ServiceManager::detect() {
        ServiceManager::Systemd => systemd::status(),
        ServiceManager::Launchd => launchd::status(),
        ServiceManager::Absent => detached::status(context),
    }
}

/// Shows the daemon's log, and with `follow` what is added to it.
pub(crate) fn logs(context: &Context, follow: bool) -> CommandResult<()> {
    match ServiceManager::detect() {
        ServiceManager::Systemd => systemd::logs(follow),
        ServiceManager::Launchd | ServiceManager::Absent => detached::logs(context, follow),
    }
}
