//! Finds the commit that `--version` shows. Packagers set `SSOD_COMMIT`; in a checkout, git reports it.

use std::process::Command;

fn git(arguments: &[&str]) -> Option<String> {
    let answer =
        Command::new("git").args(arguments).output().ok().filter(|answer| answer.status.success())?;
    Some(String::from_utf8(answer.stdout).ok()?.trim().to_owned())
}

#[allow(clippy::print_stdout, reason = "a build script talks to cargo on stdout")]
fn main() {
    println!("cargo:rerun-if-env-changed=SSOD_COMMIT");
    let named = std::env::var("SSOD_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = named.or_else(|| git(&["rev-parse", "--short=12", "HEAD"]));
    for watched in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", watched]) {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    println!("cargo:rustc-env=SSOD_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
    let build = if std::env::var("PROFILE").as_deref() == Ok("release") { "release" } else { "debug" };
    println!("cargo:rustc-env=SSOD_BUILD={build}");
    println!("cargo:rustc-env=SSOD_TARGET={}", std::env::var("TARGET").unwrap_or_default());
}
