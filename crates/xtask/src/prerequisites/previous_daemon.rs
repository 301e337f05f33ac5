//! The daemon of the previous commit, for the upgrade test.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::stamp::Stamp;
use crate::workspace::{cargo, root, run, target};

/// Builds the previous commit's daemon and returns its path. A shallow checkout and a source archive do not contain
/// that commit. Then the test upgrades from this build to itself, and the output reports it.
pub(crate) fn build_previous_daemon() -> Result<PathBuf> {
    let Some(commit) = previous_commit()? else {
        println!(
            "\nThe previous commit is not available: the upgrade test upgrades from this build to itself."
        );
        return Ok(target().join("debug/ssod-daemon"));
    };
    let folder = target().join("previous");
    let (source, daemon) = (folder.join("source"), folder.join("build/debug/ssod-daemon"));
    let stamp = Stamp::new(folder.join("built.txt"), commit.as_str());
    if stamp.is_current() {
        return Ok(daemon);
    }
    if source.exists() {
        std::fs::remove_dir_all(&source)?;
    }
    std::fs::create_dir_all(&source)?;
    let archive = folder.join("source.tar");
    run(Command::new("git").args(["archive", "--output"]).arg(&archive).arg(&commit))?;
    run(Command::new("tar").arg("--extract").arg("--file").arg(&archive).arg("-C").arg(&source))?;
    let mut build = cargo(&["build", "--quiet", "--locked", "-p", "ssod-daemon", "--manifest-path"]);
    build.arg(source.join("Cargo.toml")).arg("--target-dir").arg(folder.join("build"));
    run(build.env("SSOD_COMMIT", &commit))?;
    stamp.save()?;
    Ok(daemon)
}

fn previous_commit() -> Result<Option<String>> {
    let mut git = Command::new("git");
    git.args(["rev-parse", "--quiet", "--verify", "HEAD~1"]).current_dir(root());
    let found = git.output().ok().filter(|output| output.status.success());
    Ok(found.map(|output| String::from_utf8(output.stdout)).transpose()?.map(|id| id.trim().to_owned()))
}
