//! `cargo xtask test`: runs all checks, in CI and before a commit.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::prerequisites::{
    build_previous_daemon, build_rust_sdk_client, install_cargo_tools, install_debian_packages,
    install_javascript_sdk, make_python_environment, make_rootfs,
};
use crate::workspace::{BuildProfile, build_programs, cargo, root, run as run_command, target};
use crate::{cross, imports, package};

/// Selects the tests that need root, which are in modules with this name.
const AS_ROOT: &str = "test(/as_root::/)";

#[derive(Args)]
pub(crate) struct Test {
    /// Skip the tests that need root (other users, namespaces, the daemon's memory), and list them as not proved.
    #[arg(long)]
    no_root: bool,
}

pub(crate) fn run(test: &Test) -> Result<()> {
    let is_root = rustix::process::geteuid().is_root();
    ensure!(
        is_root || test.no_root,
        "the tests act as other users of this machine, enter namespaces and read the daemon's memory, which needs root. \
         Run cargo xtask test as root, or skip these tests with cargo xtask test --no-root"
    );
    install_debian_packages(is_root)?;
    install_cargo_tools()?;
    let python = make_python_environment()?;
    let node_modules = install_javascript_sdk()?;
    run_command(&mut cargo(&["fmt", "--all", "--check"]))?;
    imports::run()?;
    run_command(&mut cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))?;
    run_command(cargo(&["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    run_command(&mut cargo(&["deny", "check", "bans", "licenses", "sources"]))?;
    check_macos()?;
    build_programs(BuildProfile::Debug)?;
    run_command(cargo(&["xtask", "demo", "--unattended", "--for", "20s"]).env_remove("CARGO"))?;
    check_install()?;
    let previous = build_previous_daemon()?;
    let rust_sdk_client = build_rust_sdk_client()?;
    let mut nextest = cargo(&["nextest", "run", "--workspace", "--locked", "--profile", "ci"]);
    if test.no_root {
        nextest.args(["-E", &format!("not {AS_ROOT}")]);
    } else {
        package::run()?;
        nextest.env("SSOD_TEST_ROOTFS", make_rootfs()?).env("SSOD_TEST_DEB", package::built_deb()?);
    }
    run_command(
        nextest
            .env("SSOD_TEST_PROGRAMS", target().join("debug"))
            .env("SSOD_TEST_VENV", python)
            .env("SSOD_TEST_NODE_MODULES", node_modules)
            .env("SSOD_TEST_RUST_SDK", rust_sdk_client)
            .env("SSOD_TEST_PREVIOUS_DAEMON", previous)
            .env("INSTA_UPDATE", "no"),
    )?;
    if test.no_root {
        println!("\nNot proved, because these tests need root:\n{}", skipped_tests()?);
    }
    Ok(())
}

/// Type-checks the workspace for macOS where the machine can.
fn check_macos() -> Result<()> {
    match cross::obstacle() {
        None => cross::run(&cross::Cross::default()),
        Some(obstacle) => {
            println!("\nNot checked for macOS: {obstacle}.");
            Ok(())
        }
    }
}

/// Installs into a folder, runs the installed client, and checks that uninstalling removes every file.
fn check_install() -> Result<()> {
    let prefix = tempfile::tempdir()?;
    let at = prefix.path().to_str().context("the temporary folder's path is not valid UTF-8")?;
    run_command(&mut cargo(&["xtask", "install", "--debug", "--prefix", at]))?;
    run_command(Command::new(prefix.path().join("bin/ssod")).arg("--version"))?;
    for file in ["bin/ssod-daemon", "share/systemd/user/ssod.socket", "share/man/man1/ssod.1"] {
        ensure!(prefix.path().join(file).is_file(), "{file} was not installed");
    }
    run_command(&mut cargo(&["xtask", "uninstall", "--prefix", at]))?;
    let left = Command::new("find").args([at, "-type", "f"]).output()?.stdout;
    ensure!(left.is_empty(), "left behind: {}", String::from_utf8_lossy(&left));
    Ok(())
}

/// Returns the names of the tests that were skipped.
fn skipped_tests() -> Result<String> {
    let mut list =
        cargo(&["nextest", "list", "--workspace", "--locked", "--message-format", "oneline", "-E", AS_ROOT]);
    let listed = list.current_dir(root()).output().context("cannot list the tests")?;
    ensure!(listed.status.success(), "cannot list the tests: {}", String::from_utf8_lossy(&listed.stderr));
    Ok(String::from_utf8_lossy(&listed.stdout).into_owned())
}
