//! Under launchd. Untested: no Mac was at hand.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::super::Context;
use super::{quietly, shown};
use crate::failure::{Failure, Outcome};
use crate::{aws_file, daemon, terminal};

const PLIST: &str = include_str!("../../../../launchd/ssod.plist");
const LABEL: &str = "ssod";

pub(super) fn is_installed() -> bool {
    agent().is_ok_and(|agent| agent.exists())
}

pub(super) fn install(context: &Context) -> Outcome<()> {
    let agent = agent()?;
    let program = daemon::program()?;
    let program = program.to_str().filter(|text| !text.contains(['<', '>', '&']));
    let program = program.ok_or_else(|| Failure::new("launchd cannot start a program of that name."))?;
    let (log, socket) = (context.paths.log(), &context.paths.socket);
    let ports = quietly(Command::new(program).arg("--print-ports"))?;
    let port = ports.split_whitespace().next().unwrap_or("7746");
    let text = PLIST
        .replace("/usr/local/bin/ssod-daemon", program)
        .replace("<string>7746</string>", &format!("<string>{port}</string>"))
        .replace("/tmp/ssod-control.sock", &socket.to_string_lossy())
        .replace("/tmp/ssod-daemon.log", &log.to_string_lossy());
    if let Some(folder) = socket.parent() {
        ssod_private_files::create_folder(folder)
            .map_err(|error| Failure::new(format!("Cannot make {}: {error}.", folder.display())))?;
    }
    aws_file::write(&agent, &text)?;
    daemon::stop(&context.paths)?;
    quietly(Command::new("launchctl").args(["bootstrap", &domain()]).arg(&agent))?;
    Ok(terminal::print("Installed and started.\n")?)
}

pub(super) fn uninstall() -> Outcome<()> {
    stop()?;
    let agent = agent()?;
    fs::remove_file(&agent)
        .map_err(|error| Failure::new(format!("Cannot remove {}: {error}.", agent.display())))
}

pub(super) fn start() -> Outcome<()> {
    quietly(Command::new("launchctl").args(["kickstart", &format!("{}/{LABEL}", domain())])).map(drop)
}

pub(super) fn stop() -> Outcome<()> {
    quietly(Command::new("launchctl").args(["bootout", &format!("{}/{LABEL}", domain())])).map(drop)
}

pub(super) fn status() -> Outcome<()> {
    shown(Command::new("launchctl").args(["print", &format!("{}/{LABEL}", domain())]))
}

fn domain() -> String {
    format!("gui/{}", rustix::process::geteuid().as_raw())
}

fn agent() -> Outcome<PathBuf> {
    let home = std::env::var_os("HOME").ok_or_else(|| Failure::new("HOME is not set."))?;
    Ok(PathBuf::from(home).join("Library/LaunchAgents/ssod.plist"))
}
