//! `cargo xtask install` and `uninstall`: install and remove programs, units, completions and man pages below a prefix.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;
use ssod_control::systemd_program;

use crate::workspace::{BuildProfile, cargo_build, root, run, target};

/// The list of installed files. An uninstallation removes exactly these.
const INSTALLED_LIST: &str = "share/ssod/installed.txt";
/// Each shell, and the file below a prefix in which it finds completions.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "share/bash-completion/completions/ssod"),
    ("zsh", "share/zsh/site-functions/_ssod"),
    ("fish", "share/fish/vendor_completions.d/ssod.fish"),
];
/// The daemon's path in the unit of this repository.
const UNIT_PROGRAM: &str = "/usr/bin/ssod-daemon";

#[derive(Args)]
pub(crate) struct Install {
    /// The folder to install below [default: ~/.local]
    #[arg(long, value_name = "FOLDER")]
    prefix: Option<PathBuf>,
    /// Install an unoptimised build, as the tests do.
    #[arg(long)]
    debug: bool,
}

#[derive(Args)]
pub(crate) struct Uninstall {
    /// The folder that ssod was installed below [default: ~/.local]
    #[arg(long, value_name = "FOLDER")]
    prefix: Option<PathBuf>,
}

pub(crate) fn install(install: &Install) -> Result<()> {
    let prefix = prefix(install.prefix.as_deref())?;
    let profile = if install.debug { BuildProfile::Debug } else { BuildProfile::Release };
    let mut installed = install_files(&prefix, &prefix, profile)?;
    let list = add_file(&prefix, INSTALLED_LIST, &mut installed)?;
    write(&list, &installed.join("\n"))?;
    println!("Installed below {}. To start it at each login: ssod service install", prefix.display());
    Ok(())
}

/// Builds everything and writes it below `folder`. In units and completions, the paths of the programs are below
/// `prefix`. Returns the paths of the files, relative to `folder`.
pub(crate) fn install_files(folder: &Path, prefix: &Path, profile: BuildProfile) -> Result<Vec<String>> {
    let mut installed = Vec::new();
    for (name, built) in [("ssod", build_client(profile)?), ("ssod-daemon", build_daemon(profile)?)] {
        let path = add_file(folder, &format!("bin/{name}"), &mut installed)?;
        replace(&built, &path)?;
    }
    let client = folder.join("bin/ssod");
    let bin = prefix.join("bin");
    let bin = bin.to_str().context("the prefix is not valid UTF-8")?;
    let daemon = systemd_program(&prefix.join("bin/ssod-daemon"));
    let daemon =
        daemon.with_context(|| format!("systemd cannot start a program below {}", prefix.display()))?;
    // systemd reads a package's units from lib, and a user's own from the data folder.
    let units = if prefix == Path::new("/usr") { "lib/systemd/user" } else { "share/systemd/user" };
    for unit in ["ssod.service", "ssod.socket"] {
        let text = fs::read_to_string(root().join("systemd").join(unit))?;
        let path = add_file(folder, &format!("{units}/{unit}"), &mut installed)?;
        write(&path, &text.replace(UNIT_PROGRAM, &daemon))?;
    }
    for (shell, file) in COMPLETIONS {
        let program = format!("{bin}/ssod");
        let script = Command::new(&client).args(["completions", shell, "--program", &program]).output()?;
        ensure!(script.status.success(), "ssod completions {shell} failed");
        let script = String::from_utf8(script.stdout)?;
        let path = add_file(folder, file, &mut installed)?;
        write(&path, &script)?;
    }
    let pages = tempfile::tempdir()?;
    run(Command::new(&client).arg("man").arg(pages.path()))?;
    for page in fs::read_dir(pages.path())? {
        let page = page?.path();
        let name = page.file_name().unwrap_or_default().to_string_lossy().into_owned();
        fs::copy(&page, add_file(folder, &format!("share/man/man1/{name}"), &mut installed)?)?;
    }
    Ok(installed)
}

/// Builds the programs as they are installed, and the fake Identity Center, into one folder, and returns its path.
pub(crate) fn build_measured_programs() -> Result<PathBuf> {
    let fake = "ssod-fake-identity-center";
    run(&mut cargo_build(BuildProfile::Release, &[fake]))?;
    let fake = target().join(BuildProfile::Release.folder()).join("fake-identity-center");
    let folder = target().join("measured");
    fs::create_dir_all(&folder).with_context(|| cannot("create", &folder))?;
    for built in [build_client(BuildProfile::Release)?, build_daemon(BuildProfile::Release)?, fake] {
        replace(&built, &folder.join(built.file_name().unwrap_or_default()))?;
    }
    Ok(folder)
}

fn build_daemon(profile: BuildProfile) -> Result<PathBuf> {
    run(&mut cargo_build(profile, &["ssod-daemon"]))?;
    Ok(target().join(profile.folder()).join("ssod-daemon"))
}

/// Builds the client. An optimised client is linked statically: `ssod credential-process` then takes seven tenths of
/// the CPU time, because a dynamic program spends most of its start finding its libraries.
fn build_client(profile: BuildProfile) -> Result<PathBuf> {
    let mut build = cargo_build(profile, &["ssod"]);
    if profile == BuildProfile::Debug || !cfg!(all(target_os = "linux", target_env = "gnu")) {
        run(&mut build)?;
        return Ok(target().join(profile.folder()).join("ssod"));
    }
    let version = Command::new("rustc").arg("-vV").output()?.stdout;
    let version = String::from_utf8(version)?;
    let host =
        version.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc reports no host")?;
    // A separate folder, because other flags would cause a rebuild of everything in the usual folder. An explicit
    // target, because build scripts and macros cannot be static.
    let folder = target().join("static");
    build.args(["--target", host, "--target-dir"]).arg(&folder);
    run(build.env("RUSTFLAGS", static_flags(glibc_version()?)))?;
    Ok(folder.join(host).join(profile.folder()).join("ssod"))
}

/// Returns the flags of a static client. It relocates itself at each start, because its address is random. With a
/// compact table of relocations, `ssod credential-process` takes 0.97 of the CPU time and of the wall clock.
fn static_flags(glibc: (u32, u32)) -> String {
    let mut flags = "-C target-feature=+crt-static".to_owned();
    // The program's own start code comes from this machine's glibc, and an older one ignores the compact table.
    if glibc >= (2, 36) {
        flags.push_str(" -C link-arg=-Wl,-z,pack-relative-relocs");
    }
    flags
}

/// Returns the version of this machine's glibc, with which the client is linked.
fn glibc_version() -> Result<(u32, u32)> {
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output().context("cannot run getconf")?;
    let text = String::from_utf8(output.stdout)?;
    parse_glibc_version(&text).with_context(|| format!("getconf reports no version of glibc: {text:?}"))
}

/// Parses a version such as `glibc 2.36`.
fn parse_glibc_version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    let minor = minor.split('.').next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

pub(crate) fn uninstall(uninstall: &Uninstall) -> Result<()> {
    let prefix = prefix(uninstall.prefix.as_deref())?;
    let list = fs::read_to_string(prefix.join(INSTALLED_LIST))
        .with_context(|| format!("ssod is not installed below {}", prefix.display()))?;
    for path in list.lines() {
        let path = prefix.join(path);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| cannot("remove", &path));
            }
            _ => {}
        }
    }
    // Only ssod uses this folder.
    let _ = fs::remove_dir(prefix.join("share/ssod"));
    println!(
        "Removed. Your sign-ins stay sealed in the state folder, and a running daemon continues until it is stopped."
    );
    Ok(())
}

fn prefix(named: Option<&Path>) -> Result<PathBuf> {
    if let Some(named) = named {
        return Ok(std::path::absolute(named)?);
    }
    Ok(PathBuf::from(std::env::var_os("HOME").context("HOME is not set")?).join(".local"))
}

/// Creates the folder of a file and adds the file to the list of installed files.
fn add_file(prefix: &Path, path: &str, installed: &mut Vec<String>) -> Result<PathBuf> {
    let file = prefix.join(path);
    let folder = file.parent().unwrap_or(prefix);
    fs::create_dir_all(folder).with_context(|| cannot("create", folder))?;
    installed.push(path.to_owned());
    Ok(file)
}

/// Copies a program. The file of a running program cannot be written, but it can be replaced.
fn replace(built: &Path, path: &Path) -> Result<()> {
    let new = path.with_extension("new");
    fs::copy(built, &new).with_context(|| cannot("copy", &new))?;
    fs::rename(&new, path).with_context(|| cannot("replace", path))
}

#[expect(clippy::disallowed_methods, reason = "an interrupted installation is repeated")]
fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| cannot("write", path))
}

fn cannot(verb: &str, path: &Path) -> String {
    format!("cannot {verb} {}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compact_table_is_used_only_where_the_start_code_knows_it() {
        for (text, is_compact) in
            [("glibc 2.36\n", true), ("glibc 2.41.9", true), ("glibc 3.0", true), ("glibc 2.35\n", false)]
        {
            let version = parse_glibc_version(text).unwrap();
            assert_eq!(static_flags(version).contains("relocs"), is_compact, "{text}");
        }
        for text in ["", "musl 1.2", "glibc two", "2.36"] {
            assert_eq!(parse_glibc_version(text), None, "{text}");
        }
    }
}
