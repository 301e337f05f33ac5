//! The cargo commands that the tests run, at pinned versions.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::workspace::{cargo, run};

/// A cargo command that is not part of the toolchain.
#[derive(Clone, Copy)]
pub(crate) enum CargoTool {
    Deny,
    Nextest,
    Deb,
}

impl CargoTool {
    const ALL: [Self; 3] = [Self::Deny, Self::Nextest, Self::Deb];

    /// Installs the command if it is missing.
    pub(crate) fn install(self) -> Result<()> {
        let (name, version, features): (_, _, &[&str]) = match self {
            Self::Deny => ("cargo-deny", "0.20.2", &[]),
            Self::Nextest => ("cargo-nextest", "0.9.143", &[]),
            // Some of its optional features require C libraries.
            Self::Deb => ("cargo-deb", "3.8.0", &["--no-default-features"]),
        };
        if succeeds(Command::new(name).arg("--version")) {
            return Ok(());
        }
        run(cargo(&["install", "--locked", name, "--version", version]).args(features))
    }
}

/// Installs the cargo commands that are missing, and checks the toolchain's components.
pub(crate) fn install_cargo_tools() -> Result<()> {
    for tool in CargoTool::ALL {
        tool.install()?;
    }
    for (component, arguments) in [("rustfmt", ["fmt", "--version"]), ("clippy", ["clippy", "--version"])] {
        let is_installed = succeeds(&mut cargo(&arguments));
        ensure!(is_installed, "the toolchain lacks {component}: rustup component add {component}");
    }
    Ok(())
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}
