//! The Debian packages that the tests need.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

use crate::workspace::run;

/// The programs that the tests start, and the packages that contain them.
const PACKAGES: [(&str, &str); 15] = [
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
    ("/usr/bin/node", "nodejs"),
    ("/usr/bin/npm", "npm"),
    ("/usr/bin/rclone", "rclone"),
    ("/usr/bin/systemd-nspawn", "systemd-container"),
];

/// Files of the packages that only the clients of `cargo xtask interop` need.
const CLIENT_PACKAGES: [(&str, &str); 9] = [
    ("/usr/bin/go", "golang-go"),
    ("/usr/share/gocode/src/github.com/aws/aws-sdk-go", "golang-github-aws-aws-sdk-go-dev"),
    ("/usr/share/gocode/src/github.com/aws/aws-sdk-go-v2", "golang-github-aws-aws-sdk-go-v2-dev"),
    ("/usr/bin/javac", "default-jdk-headless"),
    ("/usr/share/java/slf4j-nop.jar", "libslf4j-java"),
    ("/usr/bin/php", "php-cli"),
    ("/usr/share/php/AsyncAws/Core", "php-async-aws-core"),
    ("/usr/bin/restic", "restic"),
    ("/usr/share/doc/ruby-aws-sdk-core", "ruby-aws-sdk-core"),
];

/// Installs the packages that are missing. Without root, it fails and names them.
pub(crate) fn install_debian_packages(is_root: bool) -> Result<()> {
    let venv = lacks_venv().then_some("python3-venv");
    install(is_root, missing(&PACKAGES).chain(venv).collect())
}

/// Installs the packages with the clients of `cargo xtask interop` that are missing. Without root, it fails and names
/// them.
pub(crate) fn install_client_packages(is_root: bool) -> Result<()> {
    install(is_root, missing(&CLIENT_PACKAGES).collect())
}

fn missing(packages: &[(&str, &'static str)]) -> impl Iterator<Item = &'static str> {
    packages.iter().filter(|(file, _)| !Path::new(file).exists()).map(|(_, package)| *package)
}

fn install(is_root: bool, missing: Vec<&str>) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    ensure!(
        is_root,
        "the tests need Debian packages that are not installed. As root: apt-get install {}",
        missing.join(" ")
    );
    run(Command::new("apt-get").args(["update", "-q"]))?;
    // Debian 12 has no package dbus-bin, because its package dbus contains dbus-send.
    let packages = missing.into_iter().filter(|package| *package != "dbus-bin" || is_available(package));
    run(Command::new("apt-get")
        .args(["install", "-q", "-y", "--no-install-recommends"])
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive"))
}

/// Returns whether Python lacks the modules for environments, which Debian has in a separate package.
fn lacks_venv() -> bool {
    let mut python = Command::new("python3");
    python.args(["-c", "import venv, ensurepip"]);
    python.output().is_ok_and(|output| !output.status.success())
}

fn is_available(package: &str) -> bool {
    let mut query = Command::new("apt-cache");
    query.args(["show", package]).output().is_ok_and(|output| output.status.success())
}
