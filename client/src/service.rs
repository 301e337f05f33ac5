//! Runs the daemon under the machine's service manager, or as a detached process if there is none.

mod command;
mod detached;
mod launchd;
mod systemd;

use crate::context::CommandContext;
use crate::error::CommandResult;

/// The service manager of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ServiceManagerKind {
    /// A systemd user manager.
    Systemd,
    /// launchd.
    Launchd,
    /// None, as in a container, or in WSL without systemd.
    Absent,
}

impl ServiceManagerKind {
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
    match ServiceManagerKind::detect() {
        ServiceManagerKind::Systemd => systemd::is_installed() && systemd::start_quietly(),
        ServiceManagerKind::Launchd => launchd::is_installed() && launchd::start().is_ok(),
        ServiceManagerKind::Absent => false,
    }
}

/// Installs and starts the service.
pub(crate) fn install(context: &CommandContext) -> CommandResult<()> {
    match ServiceManagerKind::detect() {
        ServiceManagerKind::Systemd => systemd::install(context),
        ServiceManagerKind::Launchd => launchd::install(context),
        ServiceManagerKind::Absent => detached::install(),
    }
}

/// Stops and removes the service.
pub(crate) fn uninstall(context: &CommandContext) -> CommandResult<()> {
    match ServiceManagerKind::detect() {
        ServiceManagerKind::Systemd => systemd::uninstall(),
        ServiceManagerKind::Launchd => launchd::uninstall(),
        ServiceManagerKind::Absent => detached::stop(context),
    }
}

/// Starts the service.
pub(crate) fn start(context: &CommandContext) -> CommandResult<()> {
    match ServiceManagerKind::detect() {
        ServiceManagerKind::Systemd => systemd::start(context),
        ServiceManagerKind::Launchd => launchd::start(),
        ServiceManagerKind::Absent => detached::start(context),
    }
}

/// Stops the service.
pub(crate) fn stop(context: &CommandContext) -> CommandResult<()> {
    match ServiceManagerKind::detect() {
        ServiceManagerKind::Systemd => systemd::stop(context),
        ServiceManagerKind::Launchd => launchd::stop(),
        ServiceManagerKind::Absent => detached::stop(context),
    }
}

/// Shows whether the service runs.
pub(crate) fn status(context: &CommandContext) -> CommandResult<()> {
    match ServiceManagerKind::detect() {
        ServiceManagerKind::Systemd => systemd::status(),
        ServiceManagerKind::Launchd => launchd::status(),
        ServiceManagerKind::Absent => detached::status(context),
    }
}

/// Shows the daemon's log, and with `follow` also new lines until Ctrl-C.
pub(crate) fn logs(context: &CommandContext, follow: bool) -> CommandResult<()> {
    match ServiceManagerKind::detect() {
        ServiceManagerKind::Systemd => systemd::logs(follow),
        ServiceManagerKind::Launchd | ServiceManagerKind::Absent => detached::logs(context, follow),
    }
}
