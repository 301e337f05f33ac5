//! What the tests need on a bare Debian machine, installed by name and pinned version.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// A program that must be there, and the Debian package that has it.
const DEBIAN: [(&str, &str); 12] = [
    ("/usr/bin/aws", "awscli"),
    ("/usr/bin/gnome-keyring-daemon", "gnome-keyring"),
    ("/usr/bin/dbus-run-session", "dbus"),
    ("/usr/bin/dbus-send", "dbus-bin"),
    ("/usr/bin/keyctl", "keyutils"),
    ("/usr/bin/cc", "build-essential"),
    ("/usr/bin/chromium", "chromium"),
    ("/usr/bin/faketime", "faketime"),
    ("/usr/bin/fish", "fish"),
    ("/usr/bin/zsh", "zsh"),
    ("/usr/bin/mmdebstrap", "mmdebstrap"),
    ("/usr/bin/systemd-nspawn", "systemd-container"),
];
const CARGO: [(&str, &str); 3] =
    [("cargo-deny", "0.20.2"), ("cargo-nextest", "0.9.143"), ("cargo-deb", "3.8.0")];

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own).to_owned()
}

/// Cargo's own folder for what is built.
pub(crate) fn target() -> PathBuf {
    let chosen = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    chosen.unwrap_or_else(|| root().join("target"))
}

/// Runs a command in the root and shows it; fails when it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    // By the program's name: where this machine keeps it is nobody's concern.
    let program =
        Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let arguments = command.get_args().map(|argument| format!(" {}", argument.to_string_lossy()));
    let shown = format!("{program}{}", arguments.collect::<String>());
    println!("\n$ {shown}");
    let status = command.current_dir(root()).status().with_context(|| format!("cannot run {shown}"))?;
    ensure!(status.success(), "failed: {shown}");
    Ok(())
}

/// `cargo` with these arguments.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// Builds the three programs that tests and demo run.
pub(crate) fn build_programs() -> Result<()> {
    run(&mut cargo(&[
        "build",
        "--quiet",
        "--locked",
        "-p",
        "ssod",
        "-p",
        "ssod-daemon",
        "-p",
        "ssod-fake-identity-center",
    ]))
}

/// Builds them optimised, beside this program where that is, too: there the sandboxes find them.
pub(crate) fn build_release_programs() -> Result<()> {
    let programs = ["ssod", "ssod-daemon", "ssod-fake-identity-center"];
    let packages = programs.iter().flat_map(|program| ["-p", program]);
    run(cargo(&["build", "--release", "--quiet", "--locked"]).args(packages))
}

/// Installs the Debian packages that are missing; without root it names them.
pub(crate) fn debian(is_root: bool) -> Result<()> {
    let mut missing: Vec<&str> = DEBIAN
        .iter()
        .filter(|(program, _)| !Path::new(program).exists())
        .map(|(_, package)| *package)
        .collect();
    if Command::new("python3")
        .args(["-c", "import venv, ensurepip"])
        .output()
        .is_ok_and(|done| !done.status.success())
    {
        missing.push("python3-venv");
    }
    if missing.is_empty() {
        return Ok(());
    }
    ensure!(
        is_root,
        "the tests need Debian packages that are not here. As root: apt-get install {}",
        missing.join(" ")
    );
    run(Command::new("apt-get").args(["update", "-q"]))?;
    // dbus-send stands in another package on newer releases than on Debian 12.
    let packages = missing.into_iter().filter(|package| *package != "dbus-bin" || has_package(package));
    run(Command::new("apt-get")
        .args(["install", "-q", "-y", "--no-install-recommends"])
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive"))
}

fn has_package(name: &str) -> bool {
    Command::new("apt-cache").args(["show", name]).output().is_ok_and(|done| done.status.success())
}

/// Installs the cargo tools that are missing.
pub(crate) fn cargo_tools() -> Result<()> {
    for (name, _) in CARGO {
        cargo_tool(name)?;
    }
    for (component, arguments) in [("rustfmt", ["fmt", "--version"]), ("clippy", ["clippy", "--version"])] {
        let found = cargo(&arguments).output().is_ok_and(|done| done.status.success());
        ensure!(found, "the toolchain lacks {component}: rustup component add {component}");
    }
    Ok(())
}

/// Builds the daemon of the commit before, for the upgrade test, and says where it is. A shallow checkout and a source archive
/// do not have that commit: there the upgrade is from this build to itself, and the output says so.
pub(crate) fn previous_daemon() -> Result<PathBuf> {
    let folder = target().join("previous");
    let mut git = Command::new("git");
    git.args(["rev-parse", "--quiet", "--verify", "HEAD~1"]).current_dir(root());
    let Some(commit) = git.output().ok().filter(|found| found.status.success()) else {
        println!(
            "\nThe commit before this one is not here: the upgrade test goes from this build to itself."
        );
        return Ok(target().join("debug/ssod-daemon"));
    };
    let commit = String::from_utf8(commit.stdout)?.trim().to_owned();
    let (source, daemon) = (folder.join("source"), folder.join("build/debug/ssod-daemon"));
    let stamp = folder.join("built.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|built| built == commit) {
        return Ok(daemon);
    }
    if source.exists() {
        std::fs::remove_dir_all(&source)?;
    }
    std::fs::create_dir_all(&source)?;
    let archive = folder.join("source.tar");
    run(Command::new("git").args(["archive", "--output"]).arg(&archive).arg(&commit))?;
    run(Command::new("tar").arg("--extract").arg("--file").arg(&archive).arg("-C").arg(&source))?;
    let mut build = cargo(&["build", "--quiet", "--locked", "-p", "ssod-daemon", "--manifest-path"]);
    build.arg(source.join("Cargo.toml")).arg("--target-dir").arg(folder.join("build"));
    run(build.env("SSOD_COMMIT", &commit))?;
    #[expect(clippy::disallowed_methods, reason = "a stamp in the build folder: losing it costs a build")]
    std::fs::write(stamp, commit)?;
    Ok(daemon)
}

/// What the booted machine of the tests has besides the smallest Debian.
const MACHINE: &str =
    "systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,procps,iproute2,curl,python3,ca-certificates";

/// Makes the root file system of the tests' machine, and says where it is.
pub(crate) fn rootfs() -> Result<PathBuf> {
    let (folder, stamp) = (target().join("machine"), target().join("machine.txt"));
    if std::fs::read_to_string(&stamp).is_ok_and(|made| made == MACHINE) {
        return Ok(folder);
    }
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let include = format!("--include={MACHINE}");
    run(Command::new("mmdebstrap")
        .args(["--quiet", "--variant=minbase", &include, "bookworm"])
        .arg(&folder))?;
    #[expect(clippy::disallowed_methods, reason = "a stamp in the build folder: losing it costs a minute")]
    std::fs::write(stamp, MACHINE)?;
    Ok(folder)
}

/// Installs one of them where it is missing.
pub(crate) fn cargo_tool(name: &str) -> Result<()> {
    let found = Command::new(name).arg("--version").output().is_ok_and(|done| done.status.success());
    let version = CARGO.iter().find(|(known, _)| *known == name).map(|(_, version)| *version);
    match version {
        Some(version) if !found => {
            // None of their optional features is needed, and some want C libraries.
            let features: &[&str] = if name == "cargo-deb" { &["--no-default-features"] } else { &[] };
            run(cargo(&["install", "--locked", name, "--version", version]).args(features))
        }
        _ => Ok(()),
    }
}

/// Makes the Python environment with moto, boto3 and the AWS CLI v1, and says where it is.
pub(crate) fn python() -> Result<PathBuf> {
    let folder = target().join("interop");
    let requirements = root().join("tests/interop/requirements.txt");
    let wanted = std::fs::read_to_string(&requirements)?;
    let stamp = folder.join("installed.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(folder);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    run(Command::new(folder.join("bin/pip"))
        .args(["install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(&requirements))?;
    #[expect(
        clippy::disallowed_methods,
        reason = "a stamp in the build folder: losing it costs an installation"
    )]
    std::fs::write(stamp, wanted)?;
    Ok(folder)
}
