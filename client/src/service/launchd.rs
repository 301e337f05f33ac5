//! Runs the daemon as a launchd agent. Not yet tested on a Mac.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::command::{run_captured, run_shown};
use crate::context::CommandContext;
use crate::error::{CommandError, CommandResult};
use crate::{daemon_process, terminal, user_file};

const PLIST: &str = include_str!("../../../launchd/ssod.plist");
const LABEL: &str = "ssod";

pub(super) fn is_installed() -> bool {
    agent().is_ok_and(|agent| agent.exists())
}

pub(super) fn install(context: &CommandContext) -> CommandResult<()> {
    let agent = agent()?;
    let program = daemon_process::find_program(&context.paths.home)?;
    let program = program.to_str().filter(|text| !text.contains(['<', '>', '&']));
    let program = program.ok_or_else(|| {
        CommandError::new("launchd cannot start a program whose path has <, > or &, or is not UTF-8.")
    })?;
    let (log, socket) = (context.paths.log(), &context.paths.socket);
    let ports = daemon_process::print_ports(Path::new(program))?;
    let port = ports.split_whitespace().next().unwrap_or("7746");
    let text = PLIST
        .replace("/usr/local/bin/ssod-daemon", program)
        .replace("<string>7746</string>", &format!("<string>{port}</string>"))
        .replace("/tmp/ssod-control.sock", &socket.to_string_lossy())
        .replace("/tmp/ssod-daemon.log", &log.to_string_lossy());
    if let Some(folder) = socket.parent() {
        ssod_private_files::create_folder(folder)
            .map_err(|error| CommandError::new(format!("Cannot create {}: {error}.", folder.display())))?;
    }
    user_file::replace(&agent, &text)?;
    daemon_process::stop(&context.paths)?;
    run_captured(Command::new("launchctl").args(["bootstrap", &domain()]).arg(&agent))?;
    Ok(terminal::print("Installed and started.\n")?)
}

pub(super) fn uninstall() -> CommandResult<()> {
    stop()?;
    let agent = agent()?;
    fs::remove_file(&agent)
        .map_err(|error| CommandError::new(format!("Cannot remove {}: {error}.", agent.display())))
}

pub(super) fn start() -> CommandResult<()> {
    run_captured(Command::new("launchctl").args(["kickstart", &format!("{}/{LABEL}", domain())])).map(drop)
}

pub(super) fn stop() -> CommandResult<()> {
    run_captured(Command::new("launchctl").args(["bootout", &format!("{}/{LABEL}", domain())])).map(drop)
}

pub(super) fn status() -> CommandResult<()> {
    run_shown(Command::new("launchctl").args(["print", &format!("{}/{LABEL}", domain())]))
}

fn domain() -> String {
    format!("gui/{}", rustix::process::geteuid().as_raw())
}

fn agent() -> CommandResult<PathBuf> {
    let home = std::env::var_os("HOME").ok_or_else(|| CommandError::new("HOME is not set."))?;
    Ok(PathBuf::from(home).join("Library/LaunchAgents/ssod.plist"))
}
