//! A thousand simultaneous callers of one profile whose credentials have expired, while AWS takes 200 ms.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use ssod_testkit::{FakeOptions, Sandbox, wait_until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;

use super::load::Request;
use super::rounds::ROUNDS;
use super::servers::{StaticServer, USER, container_request, daemon, start_as_installed};
use super::table::{Goal, Row, Samples, Unit};

const CALLERS: usize = 1_000;
const UPSTREAM: Duration = Duration::from_millis(200);
/// The lifetime of the credentials, for whose end each round waits.
const LIFETIME: &str = "8s";
/// How long all answers may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Measures the slowest caller, beside bare hyper with a delay as long as AWS's.
pub(super) fn rows() -> Result<Vec<Row>> {
    let descriptors = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: descriptors.maximum, ..descriptors })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut sandbox = Sandbox::with_fake(&FakeOptions::arguments(&["--role-life", LIFETIME]));
    // Nothing is kept fresh, so expired credentials are fetched only for a request.
    sandbox.add_settings("[refresh]\nkeep_fresh = []\n");
    sandbox.configure(USER);
    start_as_installed(&mut sandbox);
    sandbox.login(USER).succeeded();
    let (ssod, request) = (daemon(&sandbox).address, container_request(&sandbox));
    let hyper = StaticServer::delayed(ssod, std::slice::from_ref(&request), UPSTREAM)?;
    sandbox.fake().delay("GetRoleCredentials", UPSTREAM);
    let (mut measured, mut baseline) = (Samples::default(), Samples::default());
    for _ in 0..ROUNDS {
        wait_until("the credentials have expired", || {
            let profile = sandbox.daemon().profile(USER.profile);
            profile.is_some_and(|profile| profile.expires_at.is_none())
        });
        let calls = sandbox.fake().successful_calls("GetRoleCredentials");
        measured.push(runtime.block_on(slowest_answer(ssod, &request))?);
        let calls = sandbox.fake().successful_calls("GetRoleCredentials") - calls;
        ensure!(calls == 1, "{CALLERS} callers caused {calls} calls to AWS");
        baseline.push(runtime.block_on(slowest_answer(hyper.server().address, &request))?);
    }
    let goal = Goal::at_most(0.350).stretch(0.300);
    let measure = format!("slowest of {CALLERS} callers of an expired profile, upstream 200 ms");
    Ok(vec![
        Row::new(measure, Unit::Seconds, measured.clone()).goal(goal),
        Row::new("  beyond bare hyper that answers after 200 ms", Unit::Seconds, measured)
            .beyond("bare hyper", baseline),
    ])
}

/// Sends the request on a thousand open connections at the same time, and returns the seconds until the last answer.
async fn slowest_answer(server: SocketAddr, request: &Request) -> Result<f64> {
    let (text, barrier) = (Arc::new(request.text()), Arc::new(Barrier::new(CALLERS + 1)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (text, barrier) = (text.clone(), barrier.clone());
            tokio::spawn(async move {
                let connection = TcpStream::connect(server).await;
                barrier.wait().await;
                answer(connection?, &text).await
            })
        })
        .collect();
    barrier.wait().await;
    let started = Instant::now();
    for caller in callers {
        let answer = tokio::time::timeout(LIMIT, caller).await.context("no answer")???;
        ensure!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    }
    Ok(started.elapsed().as_secs_f64())
}

/// Returns the first bytes of the answer, which fits into one packet.
async fn answer(mut connection: TcpStream, request: &str) -> Result<Vec<u8>> {
    connection.write_all(request.as_bytes()).await?;
    let mut answer = vec![0; 4096];
    let length = connection.read(&mut answer).await?;
    answer.truncate(length);
    Ok(answer)
}
