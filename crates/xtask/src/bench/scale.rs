//! Measures many profiles: delays in the simulation, memory and CPU with real processes. The portal answers twenty
//! calls per second, and randomly refuses one in twenty.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ssod_simulation::{RATE, scale, storm};
use ssod_testkit::{FakeOptions, Sandbox};

const SESSIONS: usize = 5;
/// How often the fake's log is checked in the shortest time in which all calls can be made.
const LOG_CHECKS: u32 = 40;
/// The kernel's units of CPU time per second (`sysconf(_SC_CLK_TCK)`, which is 100 on every Linux).
const TICKS_PER_SECOND: f64 = 100.0;
/// The size of a page of memory.
const PAGE_KB: f64 = 4.0;

/// Simulates a storm for each of thousands of seeds.
pub(super) fn storms(seeds: u64) -> Result<()> {
    let start = Instant::now();
    let (mut served, mut simulated_time) = (0, Duration::ZERO);
    for seed in 0..seeds {
        let outcome = storm(seed);
        ensure!(outcome.broken_promises.is_empty(), "SSOD_SEED={seed}: {:#?}", outcome.broken_promises);
        served += outcome.served;
        simulated_time += outcome.simulated_time;
    }
    let days = simulated_time.as_secs() / 86_400;
    println!(
        "\n{seeds} storms of {days} days in all, {served} requests served: no promise broken ({:.0} s)",
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Measures the first fetch of many profiles in simulation.
#[expect(clippy::cast_precision_loss, reason = "the numbers are far below 2^52")]
pub(super) fn simulated() -> Result<()> {
    println!(
        "\n{:>8} {:>10} {:>12} {:>8} {:>14} {:>14}",
        "profiles", "cold fill", "calls / rate", "ratio", "shortest left", "longest wait"
    );
    for profiles in [10, 100, 1_000, 10_000] {
        let outcome = scale(profiles, 3);
        ensure!(outcome.broken_promises.is_empty(), "{profiles} profiles: {:?}", outcome.broken_promises);
        let least_seconds = outcome.calls as f64 / RATE;
        println!(
            "{profiles:>8} {:>8.1} s {least_seconds:>10.1} s {:>8.3} {:>10.1} min {:>11.0} ms",
            outcome.fill.as_secs_f64(),
            outcome.fill.as_secs_f64() / least_seconds,
            outcome.shortest_lifetime.as_secs_f64() / 60.0,
            outcome.longest_wait.as_secs_f64() * 1e3
        );
    }
    Ok(())
}

/// Measures many profiles with real processes. Ten thousand profiles take nine minutes.
#[expect(clippy::cast_precision_loss, reason = "the numbers are far below 2^52")]
pub(super) fn real(max_profiles: usize) -> Result<()> {
    println!(
        "\n{:>8} {:>10} {:>8} {:>12} {:>16} {:>16}",
        "profiles", "cold fill", "ratio", "memory", "KB a profile", "CPU a renewal"
    );
    let mut base_memory_kb = None;
    for profiles in [10, 100, 1_000, 10_000].into_iter().filter(|profiles| *profiles <= max_profiles) {
        let costs = measure_fill(profiles)?;
        let base_kb = *base_memory_kb.get_or_insert(costs.memory_kb);
        println!(
            "{profiles:>8} {:>8.1} s {:>8.3} {:>9.1} MiB {:>13.2} KB {:>13.2} ms",
            costs.total_time.as_secs_f64(),
            costs.calls_time.as_secs_f64() * RATE / (costs.calls as f64).max(1.0),
            costs.memory_kb / 1024.0,
            (costs.memory_kb - base_kb) / profiles as f64,
            costs.cpu.as_secs_f64() * 1e3 / profiles as f64
        );
    }
    Ok(())
}

/// The costs of the first fetch of all profiles.
struct FillCosts {
    total_time: Duration,
    /// The number of calls after all users had signed in.
    calls: usize,
    /// The time that these calls took.
    calls_time: Duration,
    memory_kb: f64,
    cpu: Duration,
}

/// Starts a sandbox, signs all users in, and measures the first fetch of all profiles.
fn measure_fill(profiles: usize) -> Result<FillCosts> {
    let folder = std::env::temp_dir().join(format!("ssod-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let world = write_world(&folder, profiles)?;
    let arguments = ["--world", &world.to_string_lossy(), "--portal-rate", "20", "--throttled-share", "0.05"];
    let mut sandbox = Sandbox::with_fake(&FakeOptions::arguments(&arguments));
    fs::remove_dir_all(&folder)?;
    sandbox.add_settings(
        "[network]\nportal_rate = 20\n[refresh]\nkeep_fresh = \"all\"\n[log]\nformat = \"text\"\n",
    );
    sandbox.write_aws_config(&sandbox.fake().aws_config());
    sandbox.start_daemon_with(&[("SSOD_LOG", "warn,ssod_broker=error")]);
    let pid = sandbox.daemon().pid();
    let (cpu_before, started_at) = (cpu_time(pid)?, Instant::now());
    for session in 0..SESSIONS {
        let user = format!("user{session}");
        let login = sandbox.login_with(&format!("session{session}"), &["--device-code"], |event| {
            sandbox.fake().approve(event, &user);
        });
        ensure!(login.status == 0, "cannot sign in: {}", login.stderr);
    }
    // The first fetches start while other users still sign in, so only the later calls are measured.
    let (signed_in_at, calls_before) = (Instant::now(), sandbox.fake().calls("GetRoleCredentials"));
    let least_time = Duration::from_secs_f64(f64::from(u32::try_from(profiles)?) / RATE);
    while sandbox.fake().successful_calls("GetRoleCredentials") < profiles {
        ensure!(
            started_at.elapsed() < least_time * 2 + Duration::from_secs(30),
            "{profiles} profiles take too long"
        );
        std::thread::sleep(
            (least_time / LOG_CHECKS).clamp(Duration::from_millis(20), Duration::from_millis(500)),
        );
    }
    let (total_time, calls_time) = (started_at.elapsed(), signed_in_at.elapsed());
    let calls = sandbox.fake().calls("GetRoleCredentials").saturating_sub(calls_before);
    // The daemon writes its cache two seconds after the last fetch, and the measurement includes this work.
    std::thread::sleep(Duration::from_secs(4));
    Ok(FillCosts {
        total_time,
        calls,
        calls_time,
        memory_kb: memory_kb(pid)?,
        cpu: cpu_time(pid)?.saturating_sub(cpu_before),
    })
}

/// Writes a file with five users, each of whom has a fifth of the roles.
fn write_world(folder: &std::path::Path, profiles: usize) -> Result<std::path::PathBuf> {
    let mut text = String::from("[[account]]\nid = \"123456789012\"\nname = \"work\"\n\n");
    for session in 0..SESSIONS {
        write!(text, "[[user]]\nname = \"user{session}\"\n\n[[session]]\nname = \"session{session}\"\n\n")?;
    }
    for number in 0..profiles {
        let session = number % SESSIONS;
        write!(
            text,
            "[[permission_set]]\nname = \"Role{number}\"\n\n[[assignment]]\nuser = \"user{session}\"\n\
             account = \"123456789012\"\nrole = \"Role{number}\"\n\n[[profile]]\nname = \"profile{number}\"\n\
             session = \"session{session}\"\naccount = \"123456789012\"\nrole = \"Role{number}\"\n\n"
        )?;
    }
    let path = folder.join("world.toml");
    #[expect(clippy::disallowed_methods, reason = "a temporary file that is read once")]
    fs::write(&path, text)?;
    Ok(path)
}

/// Returns the CPU time that all threads of the process have used.
fn cpu_time(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The program's name is in parentheses, and may contain parentheses itself.
    let (_, rest) = stat.rsplit_once(')').context("no process")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    Ok(Duration::from_secs_f64((ticks(11) + ticks(12)) / TICKS_PER_SECOND))
}

fn memory_kb(pid: u32) -> Result<f64> {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm"))?;
    let resident = statm.split_whitespace().nth(1).and_then(|field| field.parse::<f64>().ok());
    Ok(resident.context("no process")? * PAGE_KB)
}
