//! `cargo xtask test`: what CI runs, and what a person runs before a commit.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::imports;
use crate::package;
use crate::tools::{self, cargo, cargo_tools, debian, python, target};

/// The tests that need root are in modules of this name.
const AS_ROOT: &str = "test(/as_root::/)";

#[derive(Args)]
pub(crate) struct Test {
    /// Leave out what needs root (other users, namespaces, the daemon's memory), and list it as not proved.
    #[arg(long)]
    no_root: bool,
}

pub(crate) fn run(test: &Test) -> Result<()> {
    let is_root = rustix::process::geteuid().is_root();
    ensure!(
        is_root || test.no_root,
        "the tests play other users of this machine, enter namespaces and read the daemon's memory, for which they need \
         root. As root: cargo xtask test; without these proofs: cargo xtask test --no-root"
    );
    debian(is_root)?;
    cargo_tools()?;
    let python = python()?;
    tools::run(&mut cargo(&["fmt", "--all", "--check"]))?;
    imports::run()?;
    tools::run(&mut cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))?;
    tools::run(cargo(&["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    tools::run(&mut cargo(&["deny", "check", "bans", "licenses", "sources"]))?;
    tools::build_programs()?;
    tools::run(cargo(&["xtask", "demo", "--unattended", "--for", "20s"]).env_remove("CARGO"))?;
    installs()?;
    let previous = tools::previous_daemon()?;
    let mut nextest = cargo(&["nextest", "run", "--workspace", "--locked", "--profile", "ci"]);
    if test.no_root {
        nextest.args(["-E", &format!("not {AS_ROOT}")]);
    } else {
        package::run()?;
        nextest.env("SSOD_TEST_ROOTFS", tools::rootfs()?).env("SSOD_TEST_DEB", package::deb()?);
    }
    tools::run(
        nextest
            .env("SSOD_TEST_PROGRAMS", target().join("debug"))
            .env("SSOD_TEST_VENV", python)
            .env("SSOD_TEST_PREVIOUS_DAEMON", previous)
            .env("INSTA_UPDATE", "no"),
    )?;
    if test.no_root {
        println!("\nNot proved, because it needs root:\n{}", not_proved()?);
    }
    Ok(())
}

/// Installs into a folder, runs what is there, and leaves nothing behind.
fn installs() -> Result<()> {
    let prefix = tempfile::tempdir()?;
    let at = prefix.path().to_str().context("the temporary folder is not text")?;
    tools::run(&mut cargo(&["xtask", "install", "--debug", "--prefix", at]))?;
    tools::run(Command::new(prefix.path().join("bin/ssod")).arg("--version"))?;
    for file in ["bin/ssod-daemon", "share/systemd/user/ssod.socket", "share/man/man1/ssod.1"] {
        ensure!(prefix.path().join(file).is_file(), "{file} was not installed");
    }
    tools::run(&mut cargo(&["xtask", "uninstall", "--prefix", at]))?;
    let left = Command::new("find").args([at, "-type", "f"]).output()?.stdout;
    ensure!(left.is_empty(), "left behind: {}", String::from_utf8_lossy(&left));
    Ok(())
}

/// The names of the tests that were left out.
fn not_proved() -> Result<String> {
    let mut list =
        cargo(&["nextest", "list", "--workspace", "--locked", "--message-format", "oneline", "-E", AS_ROOT]);
    let listed = list.current_dir(tools::root()).output().context("cannot list the tests")?;
    ensure!(listed.status.success(), "cannot list the tests: {}", String::from_utf8_lossy(&listed.stderr));
    Ok(String::from_utf8_lossy(&listed.stdout).into_owned())
}
