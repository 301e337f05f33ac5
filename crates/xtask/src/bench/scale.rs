//! Many profiles: the simulation measures delays, real processes measure memory and CPU. The portal answers twenty
//! calls a second and also refuses one in twenty.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ssod_simulation::{RATE, scale, storm};
use ssod_testkit::{FakeOptions, Sandbox};

const SESSIONS: usize = 5;
/// How often the fake's log is checked during the least time that all calls take.
const CHECKS: u32 = 40;
/// The kernel's units of CPU time per second (`sysconf(_SC_CLK_TCK)`, which is 100 on every Linux).
const TICKS_PER_SECOND: f64 = 100.0;
/// The size of a page of memory.
const PAGE_KB: f64 = 4.0;

/// Simulates a storm for each of thousands of seeds.
pub(super) fn storms(seeds: u64) -> Result<()> {
    let start = Instant::now();
    let (mut served, mut lasted) = (0, Duration::ZERO);
    for seed in 0..seeds {
        let outcome = storm(seed);
        ensure!(outcome.broken_promises.is_empty(), "SSOD_SEED={seed}: {:#?}", outcome.broken_promises);
        served += outcome.served;
        lasted += outcome.simulated_time;
    }
    let days = lasted.as_secs() / 86_400;
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
        let least = outcome.calls as f64 / RATE;
        println!(
            "{profiles:>8} {:>8.1} s {least:>10.1} s {:>8.3} {:>10.1} min {:>11.0} ms",
            outcome.fill.as_secs_f64(),
            outcome.fill.as_secs_f64() / least,
            outcome.shortest_lifetime.as_secs_f64() / 60.0,
            outcome.longest_wait.as_secs_f64() * 1e3
        );
    }
    Ok(())
}

/// Measures many profiles with real processes; ten thousand take nine minutes.
#[expect(clippy::cast_precision_loss, reason = "the numbers are far below 2^52")]
pub(super) fn real(most: usize) -> Result<()> {
    println!(
        "\n{:>8} {:>10} {:>8} {:>12} {:>16} {:>16}",
        "profiles", "cold fill", "ratio", "memory", "KB a profile", "CPU a renewal"
    );
    let mut least_memory = None;
    for profiles in [10, 100, 1_000, 10_000].into_iter().filter(|profiles| *profiles <= most) {
        let filled = fill(profiles)?;
        let (_, base) = *least_memory.get_or_insert((profiles, filled.memory_kb));
        println!(
            "{profiles:>8} {:>8.1} s {:>8.3} {:>9.1} MiB {:>13.2} KB {:>13.2} ms",
            filled.took.as_secs_f64(),
            filled.rest_took.as_secs_f64() * RATE / (filled.rest as f64).max(1.0),
            filled.memory_kb / 1024.0,
            (filled.memory_kb - base) / profiles as f64,
            filled.cpu.as_secs_f64() * 1e3 / profiles as f64
        );
    }
    Ok(())
}

struct Filled {
    took: Duration,
    /// The calls after all users had signed in, and the time that they took.
    rest: usize,
    rest_took: Duration,
    memory_kb: f64,
    cpu: Duration,
}

fn fill(profiles: usize) -> Result<Filled> {
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
    let (cpu_before, begun) = (cpu(pid)?, Instant::now());
    for session in 0..SESSIONS {
        let user = format!("user{session}");
        let login = sandbox.login_with(&format!("session{session}"), &["--device-code"], |event| {
            sandbox.fake().approve(event, &user);
        });
        ensure!(login.status == 0, "cannot sign in: {}", login.stderr);
    }
    // The first fetches began while other users were signing in; only the calls from here on are measured.
    let (rest_begun, before) = (Instant::now(), sandbox.fake().calls("GetRoleCredentials"));
    let least = Duration::from_secs_f64(f64::from(u32::try_from(profiles)?) / RATE);
    while sandbox.fake().successful_calls("GetRoleCredentials") < profiles {
        ensure!(begun.elapsed() < least * 2 + Duration::from_secs(30), "{profiles} profiles take too long");
        std::thread::sleep((least / CHECKS).clamp(Duration::from_millis(20), Duration::from_millis(500)));
    }
    let (took, rest_took) = (begun.elapsed(), rest_begun.elapsed());
    let rest = sandbox.fake().calls("GetRoleCredentials").saturating_sub(before);
    // The daemon writes its cache two seconds after the last fetch, and that work counts too.
    std::thread::sleep(Duration::from_secs(4));
    Ok(Filled {
        took,
        rest,
        rest_took,
        memory_kb: memory_kb(pid)?,
        cpu: cpu(pid)?.saturating_sub(cpu_before),
    })
}

/// Writes a world of five users, each with a fifth of the roles.
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

/// Returns the user and system time of all threads so far.
fn cpu(pid: u32) -> Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name is in parentheses and may itself contain some.
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
