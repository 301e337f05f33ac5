//! A config file of ten thousand profiles, with the real daemon and the real client.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ssod_testkit::{ChildProcess, Sandbox, wait_until_within};

use super::rounds::ROUNDS;
use super::servers::start_as_installed;
use super::table::{Goal, Row, Samples, Unit};

const PROFILES: usize = 10_000;
/// How long one run of a command may take.
const LIMIT: Duration = Duration::from_mins(5);
/// After so long, a measure that misses its goal by far is not repeated.
const PATIENCE: Duration = Duration::from_mins(1);

/// Measures a reload after an edit, `ssod status` and `ssod configure --convert --all`.
pub(super) fn rows() -> Result<Vec<Row>> {
    let mut sandbox = Sandbox::new();
    let file = config_file(&sandbox.fake().start_url());
    sandbox.write_aws_config(&file);
    start_as_installed(&mut sandbox);
    wait_until_within(LIMIT, "the daemon knows all profiles", || sandbox.daemon().profile("p9999").is_some());
    let reload = repeated(|round| {
        sandbox.write_aws_config(&format!("{file}\n{}", profile(PROFILES + round)));
        let started = Instant::now();
        sandbox.daemon().reload();
        Ok(started.elapsed())
    })?;
    let status = repeated(|_| timed(sandbox.ssod_command().arg("status")))?;
    let convert = repeated(|_| {
        sandbox.write_aws_config(&file);
        // Otherwise the daemon would read the written file at the same time.
        sandbox.daemon().reload();
        timed(sandbox.ssod_command().args(["configure", "--convert", "--all"]))
    })?;
    ensure!(
        std::fs::read_to_string(sandbox.aws_config())?.contains("credential_process"),
        "nothing was converted"
    );
    let of = format!("with {PROFILES} profiles");
    Ok(vec![
        Row::new(format!("reload {of}"), Unit::Seconds, reload).goal(Goal::at_most(1.0)),
        Row::new(format!("ssod status {of}"), Unit::Seconds, status).goal(Goal::at_most(0.2)),
        Row::new(format!("ssod configure --convert --all {of}"), Unit::Seconds, convert)
            .goal(Goal::at_most(10.0)),
    ])
}

/// Measures five times, or until the patience ends.
fn repeated(mut measure: impl FnMut(usize) -> Result<Duration>) -> Result<Samples> {
    let (mut samples, started) = (Vec::new(), Instant::now());
    for round in 0..ROUNDS {
        samples.push(measure(round)?);
        if started.elapsed() > PATIENCE {
            break;
        }
    }
    Ok(samples.into_iter().collect())
}

/// Runs the command and returns the time that it took.
fn timed(command: &mut Command) -> Result<Duration> {
    let name = Path::new(command.get_program()).to_owned();
    let started = Instant::now();
    let process = ChildProcess::start(command.stderr(Stdio::null()));
    let status = process.wait(LIMIT).with_context(|| format!("{} did not end", name.display()))?;
    ensure!(status == 0, "{} ended with status {status}", name.display());
    Ok(started.elapsed())
}

/// Returns a file with profiles in AWS's own form, of one session.
fn config_file(start_url: &str) -> String {
    let mut text = format!("[sso-session s]\nsso_start_url = {start_url}\nsso_region = us-east-1\n");
    for number in 0..PROFILES {
        let _ = write!(text, "\n{}", profile(number));
    }
    text
}

fn profile(number: usize) -> String {
    format!(
        "[profile p{number}]\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = R{number}\n"
    )
}
