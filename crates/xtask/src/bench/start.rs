//! The time from the start of the daemon to the first credentials, which it has in the vault.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ssod_testkit::{ChildProcess, Sandbox, wait_until_within};

use super::load::{Request, exchange_new};
use super::rounds::ROUNDS;
use super::servers::start_as_installed;
use super::table::{Goal, Row, Samples, Unit};
use super::world::{sandbox_with_profiles, sign_in_all};

/// How long the first answer may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Measures a daemon with two profiles and one with a thousand, all of whose credentials are in the vault.
pub(super) fn rows() -> Result<Vec<Row>> {
    [2, 1_000].into_iter().map(row).collect()
}

fn row(profiles: usize) -> Result<Row> {
    let mut sandbox = sandbox_with_profiles(profiles, &[], "portal_rate = 1000")?;
    start_as_installed(&mut sandbox);
    sign_in_all(&sandbox)?;
    wait_until_within(Duration::from_mins(2), "all profiles are fetched", || {
        sandbox.fake().successful_calls("GetRoleCredentials") >= profiles
    });
    sandbox.daemon().wait_until_credentials_are_saved();
    let token = sandbox.daemon().token("profile0");
    let request = Request::get("/credentials/profile0", &[("Authorization", &token)]);
    // A stop saves what is not saved yet.
    ensure!(sandbox.daemon().terminate() == 0, "the daemon did not stop");
    let mut samples = Samples::default();
    for _ in 0..ROUNDS {
        samples.push(start_to_answer(&sandbox, &request)?);
    }
    Ok(Row::new(format!("start to first credentials, {profiles} profiles"), Unit::Seconds, samples)
        .goal(Goal::at_most(0.010).stretch(0.005)))
}

/// Starts the daemon, and returns the seconds until it has answered the request.
fn start_to_answer(sandbox: &Sandbox, request: &Request) -> Result<f64> {
    let address = SocketAddr::from(([127, 0, 0, 1], sandbox.daemon().port()));
    let mut command = sandbox.daemon_command();
    command.env("SSOD_LOG", "info").stderr(Stdio::null());
    let started = Instant::now();
    let process = ChildProcess::start(&mut command);
    let answered_after = loop {
        // A connection is refused until the daemon listens, and an answer may be that the vault is still opening.
        if exchange_new(address, request).is_ok_and(|answer| answer.starts_with(b"HTTP/1.1 200")) {
            break started.elapsed().as_secs_f64();
        }
        ensure!(started.elapsed() < LIMIT, "no credentials within {LIMIT:?}");
        std::thread::sleep(Duration::from_micros(100));
    };
    process.signal(rustix::process::Signal::TERM);
    ensure!(process.wait(LIMIT) == Some(0), "the daemon did not stop");
    Ok(answered_after)
}
