//! The AWS SDKs for JavaScript and Rust.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::stamp::Stamp;
use crate::workspace::{cargo, root, run, target};

/// Installs the SDK for JavaScript and returns the folder for `NODE_PATH`.
pub(crate) fn install_javascript_sdk() -> Result<PathBuf> {
    let folder = target().join("interop-javascript");
    let manifest = root().join("tests/interop/javascript/package.json");
    let modules = folder.join("node_modules");
    let stamp = Stamp::new(folder.join("installed.txt"), std::fs::read_to_string(&manifest)?);
    if stamp.is_current() {
        return Ok(modules);
    }
    std::fs::create_dir_all(&folder)?;
    std::fs::copy(&manifest, folder.join("package.json"))?;
    run(Command::new("npm")
        .args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"])
        .arg(&folder))?;
    stamp.save()?;
    Ok(modules)
}

/// Builds the client of the SDK for Rust, which is not part of the workspace, and returns its path.
pub(crate) fn build_rust_sdk_client() -> Result<PathBuf> {
    let folder = target().join("interop-rust");
    let mut build = cargo(&["build", "--quiet", "--locked", "--manifest-path"]);
    run(build.arg(root().join("tests/interop/rust/Cargo.toml")).arg("--target-dir").arg(&folder))?;
    Ok(folder.join("debug/ssod-test-rust-sdk"))
}
