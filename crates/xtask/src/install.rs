//! `cargo xtask install` and `uninstall`: programs, units, completions and man pages below a prefix, and gone again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::tools::{self, cargo, target};

/// Which files were installed, so that exactly these are removed.
const LIST: &str = "share/ssod/installed.txt";
/// Each shell, and where it looks for completions below a prefix.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "share/bash-completion/completions/ssod"),
    ("zsh", "share/zsh/site-functions/_ssod"),
    ("fish", "share/fish/vendor_completions.d/ssod.fish"),
];
/// The program as the unit in the repository names it.
const PROGRAM: &str = "/usr/bin/ssod-daemon";

#[derive(Args)]
pub(crate) struct Install {
    /// Where to; ~/.local without it.
    #[arg(long, value_name = "FOLDER")]
    prefix: Option<PathBuf>,
    /// Install a build that is not optimised, as the tests do.
    #[arg(long)]
    debug: bool,
}

#[derive(Args)]
pub(crate) struct Uninstall {
    /// Where from; ~/.local without it.
    #[arg(long, value_name = "FOLDER")]
    prefix: Option<PathBuf>,
}

pub(crate) fn install(install: &Install) -> Result<()> {
    let prefix = prefix(install.prefix.as_deref())?;
    let mut installed = put_all(&prefix, &prefix, if install.debug { "debug" } else { "release" })?;
    let list = put(&prefix, LIST, &mut installed)?;
    write(&list, &installed.join("\n"))?;
    println!("Installed below {}. To run it from login on: ssod service install", prefix.display());
    Ok(())
}

/// Builds, and puts everything below `folder`; the units and completions name the programs as they will be below `prefix`. Gives
/// the files.
pub(crate) fn put_all(folder: &Path, prefix: &Path, profile: &str) -> Result<Vec<String>> {
    let mut installed = Vec::new();
    for (name, built) in [("ssod", client(profile)?), ("ssod-daemon", daemon(profile)?)] {
        let place = put(folder, &format!("bin/{name}"), &mut installed)?;
        // A running program's file cannot be written to, but it can be replaced.
        let new = place.with_extension("new");
        fs::copy(&built, &new).with_context(|| shown("copy", &new))?;
        fs::rename(&new, &place).with_context(|| shown("replace", &place))?;
    }
    let client = folder.join("bin/ssod");
    let bin = prefix.join("bin");
    let bin = bin.to_str().context("the prefix is not text")?;
    // A package's units lie where packages' do; a person's own, in the data folder.
    let units = if prefix == Path::new("/usr") { "lib/systemd/user" } else { "share/systemd/user" };
    for unit in ["ssod.service", "ssod.socket"] {
        let text = fs::read_to_string(tools::root().join("systemd").join(unit))?;
        let place = put(folder, &format!("{units}/{unit}"), &mut installed)?;
        write(&place, &text.replace(PROGRAM, &format!("{bin}/ssod-daemon")))?;
    }
    for (shell, path) in COMPLETIONS {
        let script = Command::new(&client).args(["completions", shell]).output()?;
        ensure!(script.status.success(), "ssod has no completions for {shell}");
        let script = String::from_utf8(script.stdout)?;
        let place = put(folder, path, &mut installed)?;
        write(&place, &script.replace(&*client.to_string_lossy(), &format!("{bin}/ssod")))?;
    }
    let pages = tempfile::tempdir()?;
    tools::run(Command::new(&client).arg("man").arg(pages.path()))?;
    for page in fs::read_dir(pages.path())? {
        let page = page?.path();
        let name = page.file_name().unwrap_or_default().to_string_lossy().into_owned();
        fs::copy(&page, put(folder, &format!("share/man/man1/{name}"), &mut installed)?)?;
    }
    Ok(installed)
}

fn daemon(profile: &str) -> Result<PathBuf> {
    tools::run(&mut build(profile, "ssod-daemon"))?;
    Ok(target().join(profile).join("ssod-daemon"))
}

/// Linked statically where it is installed: `ssod credential-process` then takes seven tenths of the CPU time, because most of a
/// dynamic program's start is finding its libraries.
fn client(profile: &str) -> Result<PathBuf> {
    let mut build = build(profile, "ssod");
    if profile != "release" || !cfg!(all(target_os = "linux", target_env = "gnu")) {
        tools::run(&mut build)?;
        return Ok(target().join(profile).join("ssod"));
    }
    let version = Command::new("rustc").arg("-vV").output()?.stdout;
    let version = String::from_utf8(version)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    // A folder of its own, because other flags would build everything there anew; and a named target, because build scripts
    // and macros are not static.
    let folder = target().join("static");
    build.args(["--target", host, "--target-dir"]).arg(&folder);
    tools::run(build.env("RUSTFLAGS", "-C target-feature=+crt-static"))?;
    Ok(folder.join(host).join(profile).join("ssod"))
}

fn build(profile: &str, package: &str) -> Command {
    let mut build = cargo(&["build", "--quiet", "--locked", "-p", package]);
    if profile == "release" {
        build.arg("--release");
    }
    build
}

pub(crate) fn uninstall(uninstall: &Uninstall) -> Result<()> {
    let prefix = prefix(uninstall.prefix.as_deref())?;
    let list = fs::read_to_string(prefix.join(LIST))
        .with_context(|| format!("ssod is not installed below {}", prefix.display()))?;
    for path in list.lines() {
        let path = prefix.join(path);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| shown("remove", &path));
            }
            _ => {}
        }
    }
    // A folder of nobody else's.
    let _ = fs::remove_dir(prefix.join("share/ssod"));
    println!(
        "Removed. Sign-ins stay sealed in your state folder; a daemon that runs goes on until it is stopped"
    );
    Ok(())
}

fn prefix(named: Option<&Path>) -> Result<PathBuf> {
    if let Some(named) = named {
        return Ok(std::path::absolute(named)?);
    }
    Ok(PathBuf::from(std::env::var_os("HOME").context("HOME is not set")?).join(".local"))
}

/// Makes the folder of a file, and notes that it is installed.
fn put(prefix: &Path, path: &str, installed: &mut Vec<String>) -> Result<PathBuf> {
    let place = prefix.join(path);
    let folder = place.parent().unwrap_or(prefix);
    fs::create_dir_all(folder).with_context(|| shown("make", folder))?;
    installed.push(path.to_owned());
    Ok(place)
}

#[expect(clippy::disallowed_methods, reason = "what is cut short is installed again")]
fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| shown("write", path))
}

fn shown(what: &str, path: &Path) -> String {
    format!("cannot {what} {}", path.display())
}
