//! The workspace's folders, and commands that run in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The programs that tests, the benchmark and the demo start.
const PROGRAMS: [&str; 3] = ["ssod", "ssod-daemon", "ssod-fake-identity-center"];

/// The profile with which cargo builds a program.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum BuildProfile {
    Debug,
    Release,
}

impl BuildProfile {
    /// Returns the folder for this profile below cargo's target folder.
    pub(crate) fn folder(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Release => "release",
        }
    }
}

/// Returns the repository's root.
pub(crate) fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own).to_owned()
}

/// Returns cargo's target folder.
pub(crate) fn target() -> PathBuf {
    let chosen = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    chosen.unwrap_or_else(|| root().join("target"))
}

/// Prints a command and runs it in the repository's root. Fails if the command fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    // Only the program's name, because its path differs between machines.
    let program =
        Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let arguments = command.get_args().map(|argument| format!(" {}", argument.to_string_lossy()));
    let shown = format!("{program}{}", arguments.collect::<String>());
    // On stderr, because the stdout of a benchmark may be JSON.
    eprintln!("\n$ {shown}");
    let status = command.current_dir(root()).status().with_context(|| format!("cannot run {shown}"))?;
    ensure!(status.success(), "failed: {shown}");
    Ok(())
}

/// Returns a `cargo` command with these arguments.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// Returns a `cargo build` command for these packages.
pub(crate) fn cargo_build(profile: BuildProfile, packages: &[&str]) -> Command {
    let mut build = cargo(&["build", "--quiet", "--locked"]);
    if profile == BuildProfile::Release {
        build.arg("--release");
    }
    build.args(packages.iter().flat_map(|package| ["-p", package]));
    build
}

/// Builds the programs that tests, the benchmark and the demo start. An optimised `cargo xtask` finds the optimised
/// programs, because they are in its own folder.
pub(crate) fn build_programs(profile: BuildProfile) -> Result<()> {
    run(&mut cargo_build(profile, &PROGRAMS))
}
