//! `ssod credential-process` as it is installed, beside a static program that does nothing, by hyperfine.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use ssod_testkit::Sandbox;

use super::rounds::ROUNDS;
use super::servers::{USER, signed_in_sandbox};
use super::table::{Goal, Row, Samples, Unit};

/// How often hyperfine runs each program in a round, and before that without measuring.
const RUNS: &str = "200";
const WARM_UP: &str = "20";

/// Measures wall clock and CPU time. The programs in the folder of the benchmark are those that an installation has.
pub(super) fn rows() -> Result<Vec<Row>> {
    let mut sandbox = Sandbox::new();
    signed_in_sandbox(&mut sandbox);
    let folder = tempfile::tempdir()?;
    let nothing = build_nothing(folder.path())?.display().to_string();
    let ssod = sandbox.ssod_program();
    let commands =
        [nothing.clone(), format!("{ssod} credential-process {}", USER.profile), format!("{ssod} --version")];
    let mut wall = [(); 3].map(|()| Samples::default());
    let mut cpu = [(); 3].map(|()| Samples::default());
    for round in 0..ROUNDS {
        // The first program of a round alternates.
        let mut order: Vec<usize> = (0..commands.len()).collect();
        order.rotate_left(round % commands.len());
        for index in order {
            let (Some(command), Some(wall), Some(cpu)) =
                (commands.get(index), wall.get_mut(index), cpu.get_mut(index))
            else {
                continue;
            };
            let times = hyperfine(&sandbox, command, folder.path())?;
            wall.push(times.wall);
            cpu.push(times.cpu);
        }
    }
    let [nothing_wall, process_wall, version_wall] = wall;
    let [nothing_cpu, process_cpu, _] = cpu;
    let goal = Goal::at_most(1.5).stretch(1.3);
    let baseline = "a static program that does nothing";
    Ok(vec![
        Row::new("ssod credential-process, wall clock", Unit::Seconds, process_wall)
            .ratio_to(baseline, nothing_wall.clone())
            .goal(goal),
        Row::new("ssod credential-process, CPU", Unit::Seconds, process_cpu)
            .ratio_to(baseline, nothing_cpu)
            .goal(goal),
        Row::new("ssod --version, wall clock", Unit::Seconds, version_wall).ratio_to(baseline, nothing_wall),
    ])
}

/// Builds a static program that does nothing, and returns its path.
fn build_nothing(folder: &Path) -> Result<PathBuf> {
    let (source, program) = (folder.join("nothing.c"), folder.join("nothing"));
    #[expect(clippy::disallowed_methods, reason = "a temporary file that is read once")]
    std::fs::write(&source, "int main(void) { return 0; }\n")?;
    let built = Command::new("cc").args(["-O2", "-static", "-o"]).arg(&program).arg(&source).status();
    ensure!(built.context("cannot run cc")?.success(), "cc cannot build a static program");
    Ok(program)
}

/// Seconds of one run of a program.
struct Times {
    /// The median.
    wall: f64,
    /// The mean, because hyperfine reports no other value.
    cpu: f64,
}

/// Runs a command many times in the sandbox. Fails if one of its runs fails.
fn hyperfine(sandbox: &Sandbox, command: &str, folder: &Path) -> Result<Times> {
    let export = folder.join("times.json");
    let mut hyperfine = sandbox.command("/usr/bin/hyperfine");
    hyperfine.args(["--shell=none", "--style=none", "--runs", RUNS, "--warmup", WARM_UP, "--export-json"]);
    let output = hyperfine.arg(&export).arg(command).output().context("cannot run hyperfine")?;
    ensure!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    let times: Value = serde_json::from_slice(&std::fs::read(&export)?)?;
    let seconds = |name: &str| times["results"][0][name].as_f64().context("hyperfine reports no times");
    Ok(Times { wall: seconds("median")?, cpu: seconds("user")? + seconds("system")? })
}
