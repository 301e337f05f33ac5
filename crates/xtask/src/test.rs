//! `cargo xtask test`: what CI runs, and what a person runs before a commit.

use anyhow::{Result, ensure};

use crate::tools::{self, cargo, cargo_tools, debian, python, target};

pub(crate) fn run() -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "the tests play a second user of this machine and install Debian packages, so they need root"
    );
    debian()?;
    cargo_tools()?;
    let python = python()?;
    tools::run(&mut cargo(&["fmt", "--all", "--check"]))?;
    tools::run(&mut cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))?;
    tools::run(cargo(&["doc", "--workspace", "--no-deps", "--locked"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    tools::run(&mut cargo(&["deny", "check", "bans", "licenses", "sources"]))?;
    tools::build_programs()?;
    tools::run(cargo(&["xtask", "demo", "--unattended", "--for", "20s"]).env_remove("CARGO"))?;
    tools::run(
        cargo(&["nextest", "run", "--workspace", "--locked", "--profile", "ci"])
            .env("SSOD_TEST_PROGRAMS", target().join("debug"))
            .env("SSOD_TEST_VENV", python)
            .env("INSTA_UPDATE", "no"),
    )
}
