//! `cargo xtask demo`, `test`, `imports`, `bench`, `week`, `install`, `uninstall` and `package`:
//! each does all of its own set-up.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool for people before a terminal")]

mod bench;
mod demo;
mod imports;
mod install;
mod package;
mod test;
mod tools;
mod week;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// ssod's own tasks.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Show what ssod does, in a sandbox that touches nothing of yours.
    Demo(demo::Demo),
    /// Run every check: format, lints, documentation, dependencies, tests, real AWS clients, the demo.
    Test(test::Test),
    /// Fail where files of one crate import one another in a cycle, and list each cycle.
    Imports,
    /// Install programs, systemd units, completions and man pages below a prefix.
    Install(install::Install),
    /// Remove what was installed.
    Uninstall(install::Uninstall),
    /// Make a Debian package, an archive and their checksums, in target/package.
    Package,
    /// Simulate a working week, and print it beside the same week with the AWS CLI alone.
    Week,
    /// Measure, each speed as a ratio against a baseline of the same run. Give it an optimised build:
    /// cargo run --release -p xtask -- bench
    Bench(bench::Bench),
}

fn main() -> ExitCode {
    let done: Result<()> = match Arguments::parse().task {
        Task::Demo(demo) => demo::run(&demo),
        Task::Test(test) => test::run(&test),
        Task::Imports => imports::run(),
        Task::Install(install) => install::install(&install),
        Task::Uninstall(uninstall) => install::uninstall(&uninstall),
        Task::Package => package::run(),
        Task::Week => {
            week::run();
            Ok(())
        }
        Task::Bench(bench) => bench::run(&bench),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There is nowhere to report that stderr is closed.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
