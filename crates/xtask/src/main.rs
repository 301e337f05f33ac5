//! `cargo xtask demo`, `test`, `imports`, `cross`, `bench`, `interop`, `week`, `install`, `uninstall` and
//! `package`: each task does its own setup.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool for engineers at a terminal")]

mod bench;
mod cross;
mod demo;
mod imports;
mod install;
mod interop;
mod package;
mod prerequisites;
mod static_server;
mod test;
mod week;
mod workspace;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// ssod's own tasks.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct XtaskArguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Demonstrate ssod in a sandbox that does not touch your files.
    Demo(demo::Demo),
    /// Run every check: format, import cycles, lints, documentation, dependencies, macOS, tests, real AWS clients, the demo.
    Test(test::Test),
    /// List every import cycle between the files of a crate; fail if there is one.
    Imports,
    /// Type-check the workspace for macOS, where this machine can: a Debian for x86-64, as root.
    Cross(cross::Cross),
    /// Install programs, systemd units, completions and man pages below a prefix.
    Install(install::Install),
    /// Remove what was installed.
    Uninstall(install::Uninstall),
    /// Build a Debian package, an archive and their checksums in target/package.
    Package,
    /// Simulate a working week, and compare it with the same week with the AWS CLI alone.
    Week,
    /// Measure speeds, each as a ratio to a baseline from the same run, in one table.
    Bench(bench::Bench),
    /// Serve static answers by bare hyper, as a baseline of the benchmark.
    #[command(hide = true)]
    ServeStatic(static_server::ServeStatic),
    /// Run real AWS clients against ssod in every way, and generate the tables of what works.
    Interop(interop::Interop),
}

fn main() -> ExitCode {
    let outcome: Result<()> = match XtaskArguments::parse().task {
        Task::Demo(demo) => demo::run(&demo),
        Task::Test(test) => test::run(&test),
        Task::Imports => imports::run(),
        Task::Cross(cross) => cross::run(&cross),
        Task::Install(install) => install::install(&install),
        Task::Uninstall(uninstall) => install::uninstall(&uninstall),
        Task::Package => package::run(),
        Task::Week => {
            week::run();
            Ok(())
        }
        Task::Bench(bench) => bench::run(&bench),
        Task::ServeStatic(arguments) => static_server::run(&arguments),
        Task::Interop(interop) => interop::run(&interop),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // If stderr is closed, the exit code is the only report left.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
