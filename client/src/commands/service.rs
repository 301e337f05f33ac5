//! `ssod service`: the daemon under a service manager, or, where there is none, detached.

mod detached;
mod launchd;
mod systemd;

use std::process::Command;

use super::Context;
use crate::cli::{Service, ServiceAction};
use crate::failure::{Failure, Outcome};

/// Who looks after the daemon here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manager {
    /// A systemd user manager.
    Systemd,
    /// launchd.
    Launchd,
    /// Nobody: a container, or WSL without systemd.
    Nobody,
}

pub(crate) fn run(context: &Context, command: &Service) -> Outcome<()> {
    match (manager(), &command.action) {
        (Manager::Systemd, ServiceAction::Install) => systemd::install(context),
        (Manager::Systemd, ServiceAction::Uninstall) => systemd::uninstall(),
        (Manager::Systemd, ServiceAction::Start) => systemd::start(context),
        (Manager::Systemd, ServiceAction::Stop) => systemd::stop(context),
        (Manager::Systemd, ServiceAction::Status) => systemd::status(),
        (Manager::Systemd, ServiceAction::Logs { follow }) => systemd::logs(*follow),
        (Manager::Launchd, ServiceAction::Install) => launchd::install(context),
        (Manager::Launchd, ServiceAction::Uninstall) => launchd::uninstall(),
        (Manager::Launchd, ServiceAction::Start) => launchd::start(),
        (Manager::Launchd, ServiceAction::Stop) => launchd::stop(),
        (Manager::Launchd, ServiceAction::Status) => launchd::status(),
        (Manager::Nobody, ServiceAction::Install) => detached::install(),
        (Manager::Nobody, ServiceAction::Uninstall | ServiceAction::Stop) => detached::stop(context),
        (Manager::Nobody, ServiceAction::Start) => detached::start(context),
        (Manager::Nobody, ServiceAction::Status) => detached::status(context),
        (Manager::Launchd | Manager::Nobody, ServiceAction::Logs { follow }) => {
            detached::logs(context, *follow)
        }
    }
}

/// Starts the installed service, where there is one; tells whether there was.
pub(crate) fn start_installed() -> bool {
    match manager() {
        Manager::Systemd => systemd::is_installed() && systemd::start_quietly(),
        Manager::Launchd => launchd::is_installed() && launchd::start().is_ok(),
        Manager::Nobody => false,
    }
}

fn manager() -> Manager {
    if cfg!(target_os = "macos") {
        Manager::Launchd
    } else if systemd::is_there() {
        Manager::Systemd
    } else {
        Manager::Nobody
    }
}

/// Runs a service manager's command, and shows what it says.
fn shown(command: &mut Command) -> Outcome<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(|error| Failure::new(format!("Cannot run {name}: {error}.")))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("{name} did not do it ({status}).")))
}

/// Runs a service manager's command; fails with what it said.
fn quietly(command: &mut Command) -> Outcome<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command.output().map_err(|error| Failure::new(format!("Cannot run {name}: {error}.")))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    let said = said.lines().next().unwrap_or("it said nothing").trim_end_matches('.').to_owned();
    Err(Failure::new(format!("{name} did not do it: {said}.")))
}
