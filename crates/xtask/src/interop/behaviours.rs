//! What a client does when credentials are renewed, expire or are refused, and when the daemon restarts or is gone.

use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use ssod_testkit::{ChildProcess, Moto, Sandbox, TestUser, wait_until};

use super::call::{Answer, Call, RunningClient};
use super::clients::{Client, Program, Service};
use super::identity::acts_as;
use super::recorder::Recorder;
use super::setup::{Lifetime, signed_in};
use super::table::Row;
use super::ways::Way;

/// The titles of the table's columns after the client and its version.
pub(super) const TITLES: [&str; 7] = [
    "shows the refusal's text",
    "the same by `credential_process`",
    "picks up a renewal",
    "survives a restart of the daemon",
    "four minutes left",
    "expired, and AWS cannot be reached",
    "the daemon is gone",
];

/// The cell for what a client does not support.
const NOTHING: &str = "–";
const USER: TestUser = TestUser::ADMIN;
/// The lifetime for four minutes left. Most SDKs renew credentials that have less than five minutes left.
const FOUR_MINUTES: Lifetime = Lifetime("4m");
/// The lifetime for all that needs credentials to expire. The daemon renews them after half of it.
const SHORT: Lifetime = Lifetime("12s");
/// Longer than [`SHORT`], so all credentials that a client got before it have expired.
const UNTIL_EXPIRED: Duration = Duration::from_secs(13);

/// Measures everything, and returns the cells. Fails if the client does not get credentials that ssod serves.
pub(super) fn measure(client: &Client, moto: &Moto) -> Result<Row> {
    let supported = |way: &Way| client.limit(*way).is_none();
    let Some(way) = [Way::Both, Way::ImdsPort, Way::CredentialProcess].into_iter().find(supported) else {
        return Ok(TITLES.map(|_| NOTHING.to_owned()).into());
    };
    let (left, by_endpoint, by_process) = four_minutes_left(client, way, moto)?;
    let mut row = vec![by_endpoint, by_process];
    let [renewal, restart, expired, gone] = short_lifetime(client, way, moto)?;
    row.extend([renewal, restart, left, expired, gone]);
    Ok(row)
}

/// Calls with four minutes left, and then after a sign-out: a client that keeps its credentials does not notice that.
fn four_minutes_left(client: &Client, way: Way, moto: &Moto) -> Result<(String, String, String)> {
    let sandbox = signed_in(moto, FOUR_MINUTES);
    let environment = way.environment(&sandbox, USER.profile);
    let start = |environment| client.start(&sandbox, &moto.url, environment);
    let mut running = start(environment.clone())?;
    for _ in 0..2 {
        acts_as(client, USER, &mut running).context("with four minutes left")?;
    }
    sandbox.ssod(&["logout"]).succeeded();
    let left = match call(client, &mut running)? {
        Ok(_) => "keeps them",
        Err(_) => "asks at each call",
    };
    let shown = |answer: Answer| match answer {
        Ok(identity) => bail!("acts as {identity} after a sign-out"),
        Err(error) if error.contains("ssod login adminUser") => Ok("yes".to_owned()),
        Err(_) => Ok("no".to_owned()),
    };
    // New processes, because some clients get credentials as soon as they start.
    let by_endpoint = shown(call(client, &mut start(environment)?)?)?;
    let by_process = match client.limit(Way::CredentialProcess) {
        None => {
            let environment = Way::CredentialProcess.environment(&sandbox, USER.profile);
            shown(call(client, &mut start(environment)?)?)?
        }
        Some(_) => NOTHING.to_owned(),
    };
    Ok((left.to_owned(), by_endpoint, by_process))
}

/// Calls one process before and after a renewal, a restart of the daemon, an outage of AWS, and the daemon's end.
fn short_lifetime(client: &Client, way: Way, moto: &Moto) -> Result<[String; 4]> {
    let sandbox = signed_in(moto, SHORT);
    let recorder = Recorder::start(&moto.url)?;
    let environment = way.environment(&sandbox, USER.profile);
    let mut running = client.start(&sandbox, recorder.url(), environment)?;
    let mut key_of_call = || -> Result<String> {
        acts_as(client, USER, &mut running)?;
        recorder.take().pop().context("no request was signed")
    };
    let first = key_of_call().context("at first")?;
    std::thread::sleep(UNTIL_EXPIRED);
    let second = key_of_call().context("after a renewal")?;
    sandbox.daemon().terminate();
    let restarted = restart(&sandbox);
    std::thread::sleep(UNTIL_EXPIRED);
    let third = key_of_call().context("after a restart of the daemon")?;
    ensure!(first != second && second != third, "signs with an expired key, although ssod has renewed it");
    sandbox.fake().stop();
    std::thread::sleep(UNTIL_EXPIRED);
    let message = refusal(&sandbox)?;
    let expired = match call(client, &mut running)? {
        Ok(_) => "signs with the expired key",
        Err(error) if plain(&error).contains(&plain(&message)) => "fails with ssod's text",
        Err(_) => "fails",
    };
    drop(restarted);
    let gone = match call(client, &mut running)? {
        Ok(_) => "signs with the expired key",
        Err(_) => "fails",
    };
    let kept = match client.program {
        Program::Process(_) => "yes",
        Program::EachCall(_) => "yes, a process per call",
    };
    Ok([kept, kept, expired, gone].map(str::to_owned))
}

/// Makes a call that needs credentials.
fn call(client: &Client, running: &mut RunningClient<'_>) -> Result<Answer> {
    running.call(&match client.service {
        Service::Sts | Service::StsAndEc2 => Call::WhoAmI,
        Service::S3 => Call::Read(USER.role),
    })
}

/// Returns the text without quotes and what escapes them, because some clients show the refusal as JSON.
fn plain(text: &str) -> String {
    text.replace(['\\', '"'], "")
}

/// Returns the text with which ssod refuses the profile's credentials now.
fn refusal(sandbox: &Sandbox) -> Result<String> {
    let reply = sandbox.daemon().credentials(USER.profile);
    ensure!(reply.status != 200, "ssod serves credentials");
    Ok(reply.json()["message"].as_str().context("a refusal without a text")?.to_owned())
}

/// Starts a daemon in place of the sandbox's own, which has ended, and waits until it listens.
fn restart(sandbox: &Sandbox) -> ChildProcess {
    let daemon = ChildProcess::start(sandbox.daemon_command().stderr(Stdio::null()));
    wait_until("the daemon listens", || UnixStream::connect(sandbox.daemon().socket()).is_ok());
    daemon
}
