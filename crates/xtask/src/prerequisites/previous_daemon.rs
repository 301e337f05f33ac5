//! The daemon of the previous commit, for the upgrade test.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use super::stamp::Stamp;
use crate::workspace::{cargo, root, run, target};

/// How many commits the search for a daemon that builds goes back. A commit that does not build was never installed, so
/// no user upgrades from it.
const OLDEST: &str = "5";

/// Builds the daemon of the newest earlier commit that builds, and returns its path. A shallow checkout and a source
/// archive do not contain an earlier commit. Then the test upgrades from this build to itself, and the output reports it.
pub(crate) fn build_previous_daemon() -> Result<PathBuf> {
    let commits = previous_commits()?;
    if commits.is_empty() {
        println!(
            "\nThe previous commit is not available: the upgrade test upgrades from this build to itself."
        );
        return Ok(target().join("debug/ssod-daemon"));
    }
    let folder = target().join("previous");
    let daemon = folder.join("build/debug/ssod-daemon");
    let stamp = Stamp::new(folder.join("built.txt"), commits.join("\n"));
    if stamp.is_current() {
        return Ok(daemon);
    }
    for commit in &commits {
        extract(commit, &folder)?;
        match build(commit, &folder) {
            Ok(()) => {
                stamp.save()?;
                return Ok(daemon);
            }
            Err(failure) => {
                println!("\nCommit {commit} does not build ({failure}): trying the one before it.");
            }
        }
    }
    bail!("none of the last {OLDEST} commits builds, so the upgrade test has no daemon to upgrade from")
}

fn previous_commits() -> Result<Vec<String>> {
    let mut git = Command::new("git");
    git.args(["rev-list", "--first-parent", "--max-count", OLDEST, "HEAD~1"]).current_dir(root());
    let Some(found) = git.output().ok().filter(|output| output.status.success()) else {
        return Ok(Vec::new());
    };
    Ok(String::from_utf8(found.stdout)?.lines().map(str::to_owned).collect())
}

fn extract(commit: &str, folder: &Path) -> Result<()> {
    let (source, archive) = (folder.join("source"), folder.join("source.tar"));
    if source.exists() {
        std::fs::remove_dir_all(&source)?;
    }
    std::fs::create_dir_all(&source)?;
    run(Command::new("git").args(["archive", "--output"]).arg(&archive).arg(commit))?;
    run(Command::new("tar").arg("--extract").arg("--file").arg(&archive).arg("-C").arg(&source))
}

fn build(commit: &str, folder: &Path) -> Result<()> {
    let mut build = cargo(&["build", "--quiet", "--locked", "-p", "ssod-daemon", "--manifest-path"]);
    build.arg(folder.join("source/Cargo.toml")).arg("--target-dir").arg(folder.join("build"));
    run(build.env("SSOD_COMMIT", commit))
}
