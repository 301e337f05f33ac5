//! `cargo xtask package`: builds a .deb, an archive of the same files, and their checksums.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::install::install_files;
use crate::prerequisites::CargoTool;
use crate::workspace::{BuildProfile, cargo, root, run as run_command};

/// Builds the package and the archive in `target/package`, and prints their names.
pub(crate) fn run() -> Result<()> {
    let folder = root().join("target/package");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    CargoTool::Deb.install()?;
    // The same files as in an installation, but with the units in the folder for packages.
    let files = folder.join("files");
    install_files(&files, Path::new("/usr"), BuildProfile::Release)?;
    let mut deb = cargo(&["deb", "--quiet", "-p", "ssod", "--no-build", "--locked", "--output"]);
    run_command(deb.arg(&folder))?;
    let name = format!("ssod-{}-{}", env!("CARGO_PKG_VERSION"), platform()?);
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
    run_command(tar.arg(transform).arg("--file").arg(folder.join(&archive)).arg("-C").arg(&files).arg("."))?;
    fs::remove_dir_all(&files)?;
    let built = file_names(&folder)?;
    let sums = Command::new("sha256sum").args(&built).current_dir(&folder).output()?;
    ensure!(sums.status.success(), "cannot make checksums");
    #[expect(clippy::disallowed_methods, reason = "an interrupted run is repeated from the start")]
    fs::write(folder.join("SHA256SUMS"), &sums.stdout)?;
    println!("\nIn {}: {}, SHA256SUMS", folder.display(), built.join(", "));
    Ok(())
}

/// Returns the path of the .deb that [`run`] built.
pub(crate) fn built_deb() -> Result<PathBuf> {
    let folder = root().join("target/package");
    let is_deb = |name: &String| Path::new(name).extension().is_some_and(|kind| kind == "deb");
    let name = file_names(&folder)?.into_iter().find(is_deb);
    Ok(folder.join(name.context("there is no package")?))
}

fn file_names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Returns the processor and the system, such as "x86_64-linux".
fn platform() -> Result<String> {
    let machine = Command::new("uname").arg("-m").output()?.stdout;
    Ok(format!("{}-{}", String::from_utf8(machine)?.trim(), std::env::consts::OS))
}
