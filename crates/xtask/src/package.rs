//! `cargo xtask package`: a .deb, an archive of the same files, and their checksums.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::install;
use crate::tools::{self, cargo};

/// Builds everything, and says where it is: `target/package`.
pub(crate) fn run() -> Result<()> {
    let folder = tools::root().join("target/package");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    tools::cargo_tool("cargo-deb")?;
    // The same files as an installation has, with the units as a package puts them.
    let files = folder.join("files");
    install::put_all(&files, Path::new("/usr"), "release")?;
    let mut deb = cargo(&["deb", "--quiet", "-p", "ssod", "--no-build", "--locked", "--output"]);
    tools::run(deb.arg(&folder))?;
    let name = format!("ssod-{}-{}", env!("CARGO_PKG_VERSION"), machine()?);
    let archive = format!("{name}.tar.gz");
    let transform = format!("s,^\\.,{name},");
    let mut tar = Command::new("tar");
    tar.args([
        "--create",
        "--gzip",
        "--sort=name",
        "--owner=0",
        "--group=0",
        "--numeric-owner",
        "--transform",
    ]);
    tools::run(tar.arg(transform).arg("--file").arg(folder.join(&archive)).arg("-C").arg(&files).arg("."))?;
    fs::remove_dir_all(&files)?;
    let made = names(&folder)?;
    let sums = Command::new("sha256sum").args(&made).current_dir(&folder).output()?;
    ensure!(sums.status.success(), "cannot make checksums");
    #[expect(clippy::disallowed_methods, reason = "what is cut short is made again")]
    fs::write(folder.join("SHA256SUMS"), &sums.stdout)?;
    println!("\nIn {}: {}, SHA256SUMS", folder.display(), made.join(", "));
    Ok(())
}

/// The .deb that [`run`] made.
pub(crate) fn deb() -> Result<PathBuf> {
    let folder = tools::root().join("target/package");
    let is_deb = |name: &String| Path::new(name).extension().is_some_and(|kind| kind == "deb");
    let name = names(&folder)?.into_iter().find(is_deb);
    Ok(folder.join(name.context("there is no package")?))
}

fn names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// "x86_64-linux".
fn machine() -> Result<String> {
    let machine = Command::new("uname").arg("-m").output()?.stdout;
    Ok(format!("{}-{}", String::from_utf8(machine)?.trim(), std::env::consts::OS))
}
