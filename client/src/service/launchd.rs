//! Runs the daemon as a launchd agent. Not yet tested on a Mac.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ssod_control::plist_path;

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
    let (log, socket) = (context.paths.log(), &context.paths.socket);
    let ports = daemon_process::print_ports(&program)?;
    let port = ports.split_whitespace().next().unwrap_or("7746");
    let text = plist(&program, port, socket, &log)?;
    if let Some(folder) = socket.parent() {
        ssod_private_files::create_folder(folder)
            .map_err(|error| CommandError::new(format!("Cannot create {}: {error}.", folder.display())))?;
    }
    user_file::replace(&agent, &text)?;
    daemon_process::stop(&context.paths)?;
    run_captured(Command::new("launchctl").args(["bootstrap", &domain()]).arg(&agent))?;
    Ok(terminal::print("Installed and started.\n")?)
}

/// Returns the agent's file with these paths.
fn plist(program: &Path, port: &str, socket: &Path, log: &Path) -> CommandResult<String> {
    let text = |path: &Path| {
        let unwritable = || format!("A launchd agent cannot contain the path {}.", path.display());
        plist_path(path).ok_or_else(|| CommandError::new(unwritable()))
    };
    Ok(PLIST
        .replace("<string>7746</string>", &format!("<string>{port}</string>"))
        .replace("/tmp/ssod-control.sock", &text(socket)?)
        .replace("/tmp/ssod-daemon.log", &text(log)?)
        .replace("/usr/local/bin/ssod-daemon", &text(program)?))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_has_every_path_as_text() {
        let path = |name: &str| PathBuf::from(format!("/Users/a & b/<x>/{name}"));
        let text = plist(&path("ssod-daemon"), "7750", &path("s.sock"), &path("d.log")).unwrap();
        for name in ["ssod-daemon", "s.sock", "d.log"] {
            assert!(text.contains(&format!("<string>/Users/a &amp; b/&lt;x&gt;/{name}</string>")), "{text}");
        }
        assert!(
            text.contains("<string>7750</string>") && !text.contains("/tmp/") && !text.contains("/usr/local")
        );
    }
}
