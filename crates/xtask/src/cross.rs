//! `cargo xtask cross`: type-checks the workspace for another system, by default macOS, on a Debian for x86-64.
//!
//! The standard library of another target is not installed with this toolchain. Debian's package rust-src has its source,
//! beside the compiler that it belongs to, so `-Zbuild-std` compiles it for any target. Compiler and source come from Debian
//! sid, and need its C library, so they run in a root directory of their own. A check links nothing, so a script stands in
//! for the target's C compiler.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::prerequisites::{Stamp, install_debian_packages};
use crate::workspace::{root, run as run_command, target};

const SUITE: &str = "sid";
const PACKAGES: &str = "rustc,cargo,rust-src,rust-clippy,gcc,libc6-dev,dash,coreutils";
/// The host, whose build scripts and procedural macros run during a check.
const HOST: &str = "x86_64-unknown-linux-gnu";
const STAND_IN_COMPILER: &str = include_str!("cross/stand-in-cc.sh");
const RUN_IN_ROOT: &str = include_str!("cross/run-in-root.sh");

#[derive(Args)]
pub(crate) struct Cross {
    /// The target to check for.
    #[arg(long, default_value = "aarch64-apple-darwin")]
    target: String,
    /// Another command of cargo with its arguments, after `--` [default: check --workspace --all-targets].
    #[arg(last = true)]
    command: Vec<OsString>,
}

impl Default for Cross {
    fn default() -> Self {
        Self { target: "aarch64-apple-darwin".to_owned(), command: Vec::new() }
    }
}

/// Returns why this machine cannot check for another system; `None` if it can.
pub(crate) fn obstacle() -> Option<&'static str> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) || debian_mirror().is_err() {
        return Some("this needs a Debian for x86-64");
    }
    (!rustix::process::geteuid().is_root())
        .then_some("this needs root, to mount folders into a root directory")
}

/// Checks the workspace. The compiler's warnings do not fail the check, because its version changes from day to day.
pub(crate) fn run(cross: &Cross) -> Result<()> {
    if let Some(obstacle) = obstacle() {
        bail!("cannot check for {}: {obstacle}", cross.target);
    }
    install_debian_packages(true)?;
    let folder = target().join("cross");
    let compiler = make_root(&folder)?;
    fetch_sources(&folder, &compiler, &cross.target)?;
    fs::create_dir_all(folder.join("target"))?;
    let mut check = Command::new("unshare");
    check.args(["--mount", "--propagation", "private", "sh", "-euc", RUN_IN_ROOT, "sh"]);
    check.arg(&compiler).arg(root()).arg(folder.join("target")).arg(folder.join("cargo-home"));
    check.arg(&cross.target);
    match cross.command.as_slice() {
        [] => check.args(["check", "--quiet", "--workspace", "--all-targets"]),
        command => check.args(command),
    };
    println!("\n$ cargo check --workspace --all-targets --target {}", cross.target);
    let status = check.status().context("cannot run unshare")?;
    ensure!(status.success(), "the workspace does not compile for {}", cross.target);
    Ok(())
}

/// Unpacks the compiler, the standard library's source and a linker for the host, and returns their root directory. No
/// package's script runs.
fn make_root(folder: &Path) -> Result<PathBuf> {
    let new_root = folder.join("root");
    let stamp = Stamp::new(folder.join("root.txt"), format!("{SUITE} {PACKAGES}\n{STAND_IN_COMPILER}"));
    if stamp.is_current() {
        return Ok(new_root);
    }
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    run_command(
        Command::new("mmdebstrap")
            .args(["--quiet", "--mode=root", "--variant=extract", "--architectures=amd64"])
            .arg(format!("--include={PACKAGES}"))
            .args([
                "--aptopt=Acquire::Check-Valid-Until \"false\"",
                "--aptopt=Acquire::Languages \"none\"",
                SUITE,
            ])
            .arg(&new_root)
            .arg(debian_mirror()?),
    )?;
    for merged in ["bin", "sbin", "lib", "lib64"] {
        if !new_root.join(merged).exists() {
            symlink(Path::new("usr").join(merged), new_root.join(merged))?;
        }
    }
    for (program, name) in [("gcc", "usr/bin/cc"), ("dash", "usr/bin/sh")] {
        if !new_root.join(name).exists() {
            symlink(program, new_root.join(name))?;
        }
    }
    for mount_point in ["proc", "dev", "tmp", "root", "w/project", "w/target", "w/cargo-home"] {
        fs::create_dir_all(new_root.join(mount_point))?;
    }
    write_script(&new_root.join("w/cc"), STAND_IN_COMPILER)?;
    stamp.save()?;
    Ok(new_root)
}

/// Downloads the crates of the workspace and of the standard library with this machine's cargo and registry settings.
fn fetch_sources(folder: &Path, compiler: &Path, target: &str) -> Result<()> {
    let fetch = |manifest: &Path, targets: &[&str]| {
        let mut cargo = Command::new("cargo");
        cargo.args(["fetch", "--quiet", "--locked", "--manifest-path"]).arg(manifest);
        cargo.args(targets.iter().flat_map(|target| ["--target", target]));
        // The standard library's own settings ask for vendored crates, so cargo must not find them.
        cargo.current_dir(folder).env("CARGO_HOME", folder.join("cargo-home")).env("RUSTC_BOOTSTRAP", "1");
        let status = cargo.status().context("cannot run cargo")?;
        ensure!(status.success(), "cannot fetch the crates of {}", manifest.display());
        Ok(())
    };
    fetch(&standard_library(compiler)?, &[])?;
    fetch(&root().join("Cargo.toml"), &[target, HOST])
}

/// Returns the manifest of the standard library: Debian names the folder after the compiler's version.
fn standard_library(compiler: &Path) -> Result<PathBuf> {
    for entry in fs::read_dir(compiler.join("usr/src"))? {
        let manifest = entry?.path().join("library/Cargo.toml");
        if manifest.is_file() {
            return Ok(manifest);
        }
    }
    bail!("the package rust-src has no source of the standard library")
}

/// Returns the mirror that this machine installs its packages from.
fn debian_mirror() -> Result<String> {
    let sources = "/etc/apt/sources.list.d/debian.sources";
    let text = fs::read_to_string(sources).with_context(|| format!("cannot read {sources}"))?;
    let mirror = text.lines().find_map(|line| line.strip_prefix("URIs:")?.split_whitespace().next());
    Ok(mirror.with_context(|| format!("{sources} has no URIs"))?.to_owned())
}

#[expect(clippy::disallowed_methods, reason = "if the script is lost, the root directory is made again")]
fn write_script(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}
