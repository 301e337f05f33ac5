//! Under a systemd user manager.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::super::Context;
use super::{quietly, shown};
use crate::failure::{Failure, Outcome};
use crate::{aws_file, daemon, prompt, terminal};

const SERVICE: &str = include_str!("../../../../systemd/ssod.service");
const SOCKET: &str = include_str!("../../../../systemd/ssod.socket");
/// Where a package puts the units; an installation below ~/.local has them in the data folder.
const PACKAGED: [&str; 2] = ["/usr/lib/systemd/user", "/usr/local/lib/systemd/user"];
const UNITS: [&str; 2] = ["ssod.socket", "ssod.service"];
/// The line of the unit that is this machine's.
const PROGRAM_LINE: &str = "ExecStart=/usr/bin/ssod-daemon";

/// Whether a user manager answers.
pub(super) fn is_there() -> bool {
    let mut question = systemctl();
    question.arg("show-environment").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    question.status().is_ok_and(|status| status.success())
}

/// Whether the units are there, by a package or by [`install`].
pub(super) fn is_installed() -> bool {
    packaged() || folder().is_ok_and(|folder| folder.join("ssod.service").exists())
}

pub(super) fn start_quietly() -> bool {
    let mut start = systemctl();
    start.args(["start", "ssod.socket", "ssod.service"]).stdout(Stdio::null()).stderr(Stdio::null());
    start.status().is_ok_and(|status| status.success())
}

pub(super) fn install(context: &Context) -> Outcome<()> {
    let (program, folder) = (daemon::program()?, folder()?);
    let ports = quietly(Command::new(&program).arg("--print-ports"))?;
    if !packaged() {
        let line = format!("ExecStart={}", quoted(&program)?);
        write(&folder.join("ssod.service"), &SERVICE.replace(PROGRAM_LINE, &line))?;
        write(&folder.join("ssod.socket"), SOCKET)?;
    }
    write(&folder.join("ssod.socket.d/ports.conf"), &drop_in(&ports))?;
    // One that a command started holds the ports.
    daemon::stop(&context.paths)?;
    quietly(systemctl().arg("daemon-reload"))?;
    quietly(systemctl().arg("enable").args(UNITS))?;
    quietly(systemctl().args(["restart", "ssod.socket"]))?;
    quietly(systemctl().args(["restart", "ssod.service"]))
        .map_err(|failure| failure.hint("Its log says why: ssod service logs"))?;
    let shown = ports.split_whitespace().collect::<Vec<_>>().join(", ");
    terminal::print(&format!("Installed and started; systemd holds port {shown} from login on.\n"))?;
    linger(context)
}

/// The ports of the settings, in place of the unit's own.
fn drop_in(ports: &str) -> String {
    let lines = ports.split_whitespace().map(|port| format!("ListenStream=127.0.0.1:{port}\n"));
    format!(
        "# Written by `ssod service install` from config.toml; run it again after a change of ports.\n[Socket]\nListenStream=\n{}ListenStream=%t/ssod/control.sock\n",
        lines.collect::<String>()
    )
}

/// Without lingering, the user manager ends with the last session, and with it long jobs' credentials.
fn linger(context: &Context) -> Outcome<()> {
    let lingers = Command::new("loginctl").args(["show-user", "--property=Linger", "--value"]).output();
    if lingers.is_ok_and(|answer| answer.stdout.starts_with(b"yes")) {
        return Ok(());
    }
    let question = "Keep ssod running after you log out, for jobs that go on (loginctl enable-linger)?";
    if context.interactive && prompt::yes(question, false)? {
        return shown(Command::new("loginctl").arg("enable-linger"));
    }
    Ok(terminal::print(
        "It ends with your last session. To keep it for jobs that go on: loginctl enable-linger\n",
    )?)
}

pub(super) fn uninstall() -> Outcome<()> {
    let folder = folder()?;
    quietly(systemctl().args(["disable", "--now"]).args(UNITS))?;
    let drop_ins = folder.join("ssod.socket.d");
    for file in [folder.join("ssod.service"), folder.join("ssod.socket"), drop_ins.join("ports.conf")] {
        match fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Failure::new(format!("Cannot remove {}: {error}.", file.display())));
            }
            _ => {}
        }
    }
    // It may hold somebody else's drop-ins, too.
    let _ = fs::remove_dir(drop_ins);
    quietly(systemctl().arg("daemon-reload"))?;
    Ok(terminal::print(
        "Stopped and removed. Sign-ins stay sealed where they are; to forget them, sign out before.\n",
    )?)
}

pub(super) fn start(context: &Context) -> Outcome<()> {
    installed()?;
    if !is_active() {
        // One that a command started holds the ports.
        daemon::stop(&context.paths)?;
    }
    quietly(systemctl().arg("start").args(UNITS))?;
    Ok(terminal::print("Started.\n")?)
}

pub(super) fn stop(context: &Context) -> Outcome<()> {
    if is_installed() {
        quietly(systemctl().arg("stop").args(UNITS))?;
    }
    daemon::stop(&context.paths)?;
    Ok(terminal::print("Stopped.\n")?)
}

pub(super) fn status() -> Outcome<()> {
    installed()?;
    let mut status = systemctl();
    status.args(["status", "--no-pager", "--lines=0"]).args(UNITS);
    // 3 means that one of them does not run, which is an answer.
    status.status().map(drop).map_err(|error| Failure::new(format!("Cannot run systemctl: {error}.")))
}

pub(super) fn logs(follow: bool) -> Outcome<()> {
    let mut journal = Command::new("journalctl");
    journal.args(["--user", "--unit=ssod.service", "--no-pager", "--lines=200"]);
    if follow {
        journal.arg("--follow");
    }
    shown(&mut journal)
}

fn is_active() -> bool {
    systemctl().args(["is-active", "--quiet", "ssod.service"]).status().is_ok_and(|status| status.success())
}

fn installed() -> Outcome<()> {
    if is_installed() {
        return Ok(());
    }
    Err(Failure::new("The service is not installed.").hint("Run: ssod service install"))
}

fn systemctl() -> Command {
    let mut command = Command::new("systemctl");
    command.arg("--user");
    command
}

fn packaged() -> bool {
    let named = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share"));
    let own = named.or(home).map(|data| data.join("systemd/user"));
    let folders = PACKAGED.iter().map(PathBuf::from).chain(own);
    folders.into_iter().any(|folder| folder.join("ssod.service").exists())
}

/// Where a user's own units are.
fn folder() -> Outcome<PathBuf> {
    let named = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".config"));
    let config = named.or(home).ok_or_else(|| Failure::new("HOME is not set."))?;
    Ok(config.join("systemd/user"))
}

/// As ExecStart= takes a path: systemd.service(5) splits at spaces and expands % and $.
fn quoted(program: &Path) -> Outcome<String> {
    let text = program.to_str().filter(|text| !text.contains(['"', '\\', '\n', '\'']));
    let text = text.ok_or_else(|| Failure::new(format!("systemd cannot start {}.", program.display())))?;
    Ok(format!("\"{}\"", text.replace('%', "%%").replace('$', "$$")))
}

fn write(path: &Path, text: &str) -> Outcome<()> {
    aws_file::write(path, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_units_name_the_program_and_the_drop_in_the_ports() {
        assert!(SERVICE.contains(PROGRAM_LINE));
        assert_eq!(quoted(Path::new("/home/a b/50%/ssod-daemon")).unwrap(), "\"/home/a b/50%%/ssod-daemon\"");
        assert!(quoted(Path::new("/home/\"/ssod-daemon")).is_err());
        insta::assert_snapshot!(drop_in("7746\n7747\n"), @r"
        # Written by `ssod service install` from config.toml; run it again after a change of ports.
        [Socket]
        ListenStream=
        ListenStream=127.0.0.1:7746
        ListenStream=127.0.0.1:7747
        ListenStream=%t/ssod/control.sock
        ");
    }
}
