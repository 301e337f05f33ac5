//! Runs the daemon as a service of the systemd user manager.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use ssod_control::systemd_program;

use super::command::{run_captured, run_shown};
use crate::context::CommandContext;
use crate::error::{CommandError, CommandResult};
use crate::{daemon_process, prompt, terminal, user_file};

const SERVICE: &str = include_str!("../../../systemd/ssod.service");
const SOCKET: &str = include_str!("../../../systemd/ssod.socket");
/// The folders in which a package installs the units. An installation below ~/.local has them in the user's data
/// folder.
const PACKAGE_FOLDERS: [&str; 2] = ["/usr/lib/systemd/user", "/usr/local/lib/systemd/user"];
const UNITS: [&str; 2] = ["ssod.socket", "ssod.service"];
/// The line of the unit that [`install`] replaces with the path of the installed daemon.
const PROGRAM_LINE: &str = "ExecStart=/usr/bin/ssod-daemon";

/// Returns whether a systemd user manager is running.
pub(super) fn is_running() -> bool {
    let mut query = systemctl();
    query.arg("show-environment").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    query.status().is_ok_and(|status| status.success())
}

/// Returns whether the units are installed, by a package or by [`install`].
pub(super) fn is_installed() -> bool {
    is_packaged() || user_unit_folder().is_ok_and(|folder| folder.join("ssod.service").exists())
}

pub(super) fn start_quietly() -> bool {
    let mut start = systemctl();
    start.args(["start", "ssod.socket", "ssod.service"]).stdout(Stdio::null()).stderr(Stdio::null());
    start.status().is_ok_and(|status| status.success())
}

pub(super) fn install(context: &CommandContext) -> CommandResult<()> {
    let (program, folder) = (daemon_process::find_program(&context.paths.home)?, user_unit_folder()?);
    let ports = daemon_process::print_ports(&program)?;
    if !is_packaged() {
        let word = systemd_program(&program)
            .ok_or_else(|| CommandError::new(format!("systemd cannot start {}.", program.display())))?;
        let line = format!("ExecStart={word}");
        user_file::replace(&folder.join("ssod.service"), &SERVICE.replace(PROGRAM_LINE, &line))?;
        user_file::replace(&folder.join("ssod.socket"), SOCKET)?;
    }
    user_file::replace(&folder.join("ssod.socket.d/ports.conf"), &ports_drop_in(&ports))?;
    // A daemon that a command has started holds the ports, so systemd could not bind them.
    daemon_process::stop(&context.paths)?;
    run_captured(systemctl().arg("daemon-reload"))?;
    run_captured(systemctl().arg("enable").args(UNITS))?;
    run_captured(systemctl().args(["restart", "ssod.socket"]))?;
    run_captured(systemctl().args(["restart", "ssod.service"]))
        .map_err(|failure| failure.hint("See its log: ssod service logs"))?;
    let listed = ports.split_whitespace().collect::<Vec<_>>().join(", ");
    terminal::print(&format!("Installed and started; systemd opens port {listed} at login.\n"))?;
    offer_lingering(context)
}

/// Returns a drop-in that replaces the unit's ports with those in config.toml.
fn ports_drop_in(ports: &str) -> String {
    let lines = ports.split_whitespace().map(|port| format!("ListenStream=127.0.0.1:{port}\n"));
    format!(
        "# Written by `ssod service install` from config.toml; run it again after you change a port.\n[Socket]\nListenStream=\n{}ListenStream=%t/ssod/control.sock\n",
        lines.collect::<String>()
    )
}

/// Offers to enable lingering. Without it, systemd stops the service when the user's last login session ends, and jobs
/// that still run get no more credentials.
fn offer_lingering(context: &CommandContext) -> CommandResult<()> {
    let lingers = Command::new("loginctl").args(["show-user", "--property=Linger", "--value"]).output();
    if lingers.is_ok_and(|answer| answer.stdout.starts_with(b"yes")) {
        return Ok(());
    }
    let question = "Keep ssod running after you log out, for jobs that continue (loginctl enable-linger)?";
    if context.interactive && prompt::yes(question, false)? {
        return run_shown(Command::new("loginctl").arg("enable-linger"));
    }
    Ok(terminal::print(
        "The service stops when your last session ends. To keep it running: loginctl enable-linger\n",
    )?)
}

pub(super) fn uninstall() -> CommandResult<()> {
    let folder = user_unit_folder()?;
    run_captured(systemctl().args(["disable", "--now"]).args(UNITS))?;
    let drop_ins = folder.join("ssod.socket.d");
    for file in [folder.join("ssod.service"), folder.join("ssod.socket"), drop_ins.join("ports.conf")] {
        match fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(CommandError::new(format!("Cannot remove {}: {error}.", file.display())));
            }
            _ => {}
        }
    }
    // This fails if the folder has drop-ins of the user, which must stay.
    let _ = fs::remove_dir(drop_ins);
    run_captured(systemctl().arg("daemon-reload"))?;
    Ok(terminal::print(
        "Stopped and removed. Your sign-ins stay on disk, encrypted. To delete them: ssod logout\n",
    )?)
}

pub(super) fn start(context: &CommandContext) -> CommandResult<()> {
    require_installed()?;
    if !is_active() {
        // A daemon that a command has started holds the ports, so systemd could not bind them.
        daemon_process::stop(&context.paths)?;
    }
    run_captured(systemctl().arg("start").args(UNITS))?;
    Ok(terminal::print("Started.\n")?)
}

pub(super) fn stop(context: &CommandContext) -> CommandResult<()> {
    if is_installed() {
        run_captured(systemctl().arg("stop").args(UNITS))?;
    }
    daemon_process::stop(&context.paths)?;
    Ok(terminal::print("Stopped.\n")?)
}

pub(super) fn status() -> CommandResult<()> {
    require_installed()?;
    let mut status = systemctl();
    status.args(["status", "--no-pager", "--lines=0"]).args(UNITS);
    // Status 3 means that a unit is not running. That is a result, not an error.
    status.status().map(drop).map_err(|error| CommandError::new(format!("Cannot run systemctl: {error}.")))
}

pub(super) fn logs(follow: bool) -> CommandResult<()> {
    let mut journal = Command::new("journalctl");
    journal.args(["--user", "--unit=ssod.service", "--no-pager", "--lines=200"]);
    if follow {
        journal.arg("--follow");
    }
    run_shown(&mut journal)
}

fn is_active() -> bool {
    systemctl().args(["is-active", "--quiet", "ssod.service"]).status().is_ok_and(|status| status.success())
}

fn require_installed() -> CommandResult<()> {
    if is_installed() {
        return Ok(());
    }
    Err(CommandError::new("The service is not installed.").hint("Run: ssod service install"))
}

fn systemctl() -> Command {
    let mut command = Command::new("systemctl");
    command.arg("--user");
    command
}

fn is_packaged() -> bool {
    let xdg = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    let own = xdg.or(home).map(|data| data.join("systemd/user"));
    let folders = PACKAGE_FOLDERS.iter().map(PathBuf::from).chain(own);
    folders.into_iter().any(|folder| folder.join("ssod.service").exists())
}

/// Returns the folder for the user's own units.
fn user_unit_folder() -> CommandResult<PathBuf> {
    let xdg = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    let config = xdg.or(home).ok_or_else(|| CommandError::new("HOME is not set."))?;
    Ok(config.join("systemd/user"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_has_the_programs_path_and_the_drop_in_the_ports() {
        assert!(SERVICE.contains(PROGRAM_LINE));
        insta::assert_snapshot!(ports_drop_in("7746\n7747\n"), @r"
        # Written by `ssod service install` from config.toml; run it again after you change a port.
        [Socket]
        ListenStream=
        ListenStream=127.0.0.1:7746
        ListenStream=127.0.0.1:7747
        ListenStream=%t/ssod/control.sock
        ");
    }
}
