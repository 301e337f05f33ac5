//! The daemon's memory: idle, per profile that is kept fresh, and after a burst of connections.

use std::time::Duration;

use anyhow::Result;
use ssod_testkit::{Sandbox, wait_until_within};

use super::load::{Connections, wrk};
use super::process_costs::resident_bytes;
use super::rounds::ROUNDS;
use super::servers::{container_request, daemon, signed_in_sandbox};
use super::table::{Goal, Row, Samples, Unit};
use super::world::{sandbox_with_profiles, sign_in_all};

const MIB: f64 = 1024.0 * 1024.0;
/// How long a daemon is left alone before it counts as idle.
const SETTLING: Duration = Duration::from_secs(5);
/// The connections of a burst, and for how many seconds they send requests.
const BURST: (usize, u32) = (256, 3);
const AFTER_BURST: Duration = Duration::from_mins(1);
/// The numbers of profiles whose difference in memory is divided by the difference of the numbers.
const FEW: usize = 10;
const MANY: usize = 1_000;

/// Measures an idle daemon and the same daemon a minute after a burst, and daemons with few and many profiles.
pub(super) fn rows() -> Result<Vec<Row>> {
    let [idle, after_burst] = measure_burst()?;
    Ok(vec![
        Row::new("idle memory, one profile kept fresh", Unit::Bytes, idle.clone())
            .goal(Goal::at_most(9.0 * MIB).stretch(6.0 * MIB)),
        Row::new("memory a minute after a burst of 256 connections", Unit::Bytes, after_burst)
            .beyond("idle", idle)
            .goal(Goal::at_most(2.0 * MIB)),
        Row::new("memory per profile kept fresh", Unit::Bytes, per_profile()?)
            .goal(Goal::at_most(3_000.0).stretch(2_000.0)),
    ])
}

/// Measures some daemons before and after their bursts. They wait at the same time.
fn measure_burst() -> Result<[Samples; 2]> {
    let sandboxes: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let mut sandbox = Sandbox::new();
            signed_in_sandbox(&mut sandbox);
            sandbox
        })
        .collect();
    std::thread::sleep(SETTLING);
    let memory = || sandboxes.iter().map(|sandbox| resident_bytes(daemon(sandbox).pid)).collect();
    let idle: Result<Samples> = memory();
    for sandbox in &sandboxes {
        let (connections, seconds) = BURST;
        let request = container_request(sandbox);
        wrk(daemon(sandbox).address, &[request], Connections::Kept(connections), seconds)?;
    }
    std::thread::sleep(AFTER_BURST);
    Ok([idle?, memory()?])
}

fn per_profile() -> Result<Samples> {
    let mut samples = Samples::default();
    for _ in 0..ROUNDS {
        let [few, many] = [memory_with(FEW)?, memory_with(MANY)?];
        #[expect(clippy::cast_precision_loss, reason = "the number is small")]
        samples.push((many - few) / (MANY - FEW) as f64);
    }
    Ok(samples)
}

/// Returns the memory of a daemon after it has fetched the credentials of so many profiles.
fn memory_with(profiles: usize) -> Result<f64> {
    let mut sandbox = sandbox_with_profiles(profiles, &[], "portal_rate = 1000")?;
    sandbox.start_daemon_with(&[("SSOD_LOG", "warn")]);
    sign_in_all(&sandbox)?;
    wait_until_within(Duration::from_mins(2), "all profiles are fetched", || {
        sandbox.fake().successful_calls("GetRoleCredentials") >= profiles
    });
    std::thread::sleep(SETTLING);
    resident_bytes(sandbox.daemon().pid())
}
