//! The first fetch of many profiles with real processes: time, CPU and memory. The portal answers twenty calls per
//! second, and randomly refuses one in twenty.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ssod_simulation::RATE;

use super::process_costs::{Costs, resident_bytes};
use super::table::{Row, Samples, Unit};
use super::world::{sandbox_with_profiles, sign_in_all};

/// How often the fake's log is checked in the shortest time in which all calls can be made.
const LOG_CHECKS: u32 = 40;

/// Measures up to so many profiles. Ten thousand take nine minutes.
pub(super) fn rows(max_profiles: usize) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for profiles in [10, 100, 1_000, 10_000].into_iter().filter(|profiles| *profiles <= max_profiles) {
        rows.extend(measure_fill(profiles)?);
    }
    Ok(rows)
}

/// Starts a sandbox, signs all users in, and measures the first fetch of all profiles.
#[expect(clippy::cast_precision_loss, reason = "the numbers are far below 2^52")]
fn measure_fill(profiles: usize) -> Result<[Row; 3]> {
    let fake = ["--portal-rate", "20", "--throttled-share", "0.05"];
    let mut sandbox = sandbox_with_profiles(profiles, &fake, "portal_rate = 20")?;
    sandbox.start_daemon_with(&[("SSOD_LOG", "warn,ssod_broker=error")]);
    let pid = sandbox.daemon().pid();
    let (costs_before, started_at) = (Costs::of(pid)?, Instant::now());
    sign_in_all(&sandbox)?;
    // The first fetches start while other users still sign in, so only the later calls are compared with the rate.
    let (signed_in_at, calls_before) = (Instant::now(), sandbox.fake().calls("GetRoleCredentials"));
    let least_time = Duration::from_secs_f64(f64::from(u32::try_from(profiles)?) / RATE);
    while sandbox.fake().successful_calls("GetRoleCredentials") < profiles {
        let limit = least_time * 2 + Duration::from_secs(30);
        ensure!(started_at.elapsed() < limit, "{profiles} profiles take too long");
        let pause = least_time / LOG_CHECKS;
        std::thread::sleep(pause.clamp(Duration::from_millis(20), Duration::from_millis(500)));
    }
    let calls_time = signed_in_at.elapsed();
    let calls = sandbox.fake().calls("GetRoleCredentials").saturating_sub(calls_before);
    // The daemon writes its cache two seconds after the last fetch, and the measurement includes this work.
    std::thread::sleep(Duration::from_secs(4));
    let cpu = Costs::of(pid)?.since(costs_before).cpu;
    let one = |value: f64| [value].into_iter().collect::<Samples>();
    Ok([
        Row::new(format!("first fetch of {profiles} profiles"), Unit::Seconds, one(calls_time.as_secs_f64()))
            .ratio_to("calls / rate", one((calls as f64 / RATE).max(1.0 / RATE))),
        Row::new("  CPU per renewal", Unit::Seconds, one(cpu.as_secs_f64() / profiles as f64)),
        Row::new("  memory after that", Unit::Bytes, one(resident_bytes(pid)?)),
    ])
}
