//! Simulates random faults of every kind, which a seed determines, and the death of a run at a given step.

use std::time::Duration;

use ssod_model::SignedDuration;

use crate::laptop::Laptop;
use crate::setup::Setup;

/// The number of events in one storm.
const EVENTS: usize = 120;
const MINUTE: Duration = Duration::from_mins(1);

/// The result of a simulation.
#[derive(Clone, Debug, Default)]
pub struct StormOutcome {
    /// Descriptions of broken promises.
    pub broken_promises: Vec<String>,
    /// The simulated time.
    pub simulated_time: Duration,
    /// Requests that were answered with credentials.
    pub served: usize,
    /// Sign-ins by the user.
    pub sign_ins: usize,
    /// Sign-ins that were lost because a run died between the moment when AWS accepted a refresh token and the moment
    /// when the answer was saved. The protocol cannot prevent this.
    pub lost_in_window: usize,
    /// Renewals of sign-ins at AWS.
    pub renewals: usize,
    /// The number of steps that the first run took; 0 for a storm.
    pub steps: u64,
}

/// Simulates weeks of faults and then a time without faults. The seed determines everything.
pub fn storm(seed: u64) -> StormOutcome {
    in_paused_time(async {
        let mut rng = fastrand::Rng::with_seed(seed);
        let setup = Setup { has_alarm: rng.u8(..) < 200, ..Setup::small(seed) };
        let mut laptop = Laptop::new(setup, None);
        laptop.sign_in_everywhere().await;
        for _ in 0..EVENTS {
            random_event(&mut laptop, &mut rng).await;
            laptop.check_promises();
        }
        recover(laptop).await
    })
}

/// Simulates three hours. If a step is given, the first run dies there, and a second run continues. There are no other
/// faults.
pub fn die_at(step: Option<u64>) -> StormOutcome {
    in_paused_time(async {
        let mut laptop = Laptop::new(Setup::small(7), step);
        laptop.sign_in_everywhere().await;
        for minute in 0..180 {
            laptop.wait(MINUTE).await;
            laptop.check_promises();
            laptop.request(minute % 2, minute % 3).await;
        }
        let steps = laptop.steps();
        laptop.kill();
        laptop.restart(None).await;
        StormOutcome { steps, ..recover(laptop).await }
    })
}

async fn random_event(laptop: &mut Laptop, rng: &mut fastrand::Rng) {
    let (session, profile) = (rng.usize(..2), rng.usize(..3));
    let draw = rng.u8(..100);
    laptop.time().trace(|| format!("event {draw} for {session}-{profile}"));
    match draw {
        0..30 => {
            laptop.request(session, profile).await;
        }
        30..33 => laptop.request_concurrently(session, profile, 30).await,
        33..60 => laptop.wait(random_duration(rng, Duration::from_secs(1), 20 * MINUTE)).await,
        60..72 => network_fault(laptop, rng).await,
        72..77 => laptop.suspend(random_duration(rng, MINUTE, Duration::from_hours(12))),
        77..82 => {
            let by = SignedDuration::from_secs(rng.i64(-10_800..10_800));
            laptop.time().set_wall_clock(if rng.bool() { SignedDuration::ZERO } else { by });
            laptop.restart_recovery();
        }
        82..87 => {
            laptop.kill();
            laptop.restart(if rng.bool() { Some(rng.u64(1..40)) } else { None }).await;
        }
        87..89 => laptop.restart(None).await,
        89..91 => laptop.end_session(session),
        91..93 => laptop.assign(session, profile, rng.bool()),
        93..94 => laptop.sign_out(session).await,
        94..96 => laptop.set_disk_full(rng.bool()),
        96..98 => laptop.change_network(),
        98..99 => laptop.edit_config(),
        _ => laptop.sign_in_everywhere().await,
    }
    // The service manager does not always restart the daemon at once, and the user does not always sign in at once.
    if rng.u8(..10) < 3 {
        laptop.restart_if_dead().await;
        laptop.sign_in_everywhere().await;
    }
}

/// Makes the network or AWS fail in one way for a random time.
async fn network_fault(laptop: &mut Laptop, rng: &mut fastrand::Rng) {
    let lasts = random_duration(rng, Duration::from_secs(10), 40 * MINUTE);
    {
        let mut network = laptop.network();
        match rng.u8(..7) {
            0 | 1 => network.is_down = true,
            2 => network.throttled = rng.f64(),
            3 => {
                network.throttled = 1.0;
                network.retry_after = Some(Duration::from_secs(rng.u64(1..120)));
            }
            4 => network.failing = rng.f64(),
            5 => {
                network.foreign = 0.5 + rng.f64() / 2.0;
                network.retry_after = rng.bool().then(|| Duration::from_secs(rng.u64(1..3_600)));
            }
            _ => {
                network.lossy = rng.f64() * 0.5;
                network.latency = Duration::from_secs(rng.u64(1..12));
            }
        }
    }
    let steps = rng.u32(1..6);
    for _ in 0..steps {
        laptop.wait(lasts / steps).await;
        laptop.restart_recovery();
        laptop.request(rng.usize(..2), rng.usize(..3)).await;
    }
    laptop.network().clear_faults();
    laptop.restart_recovery();
}

/// Ends all faults, and checks that all credentials become fresh within a bounded time and stay fresh.
async fn recover(mut laptop: Laptop) -> StormOutcome {
    laptop.network().clear_faults();
    laptop.time().set_wall_clock(SignedDuration::ZERO);
    laptop.set_disk_full(false);
    for (session, profile) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
        laptop.assign(session, profile, true);
    }
    laptop.restart_if_dead().await;
    laptop.sign_in_everywhere().await;
    laptop.restart_recovery();
    for _ in 0..8 {
        laptop.wait(MINUTE).await;
        laptop.check_promises();
        // A death that was scheduled earlier may still happen, and a lost sign-in is noticed only at the next renewal.
        laptop.restart_if_dead().await;
        laptop.sign_in_everywhere().await;
    }
    for minute in 0..120 {
        laptop.wait(MINUTE).await;
        laptop.check_promises();
        laptop.restart_if_dead().await;
        laptop.sign_in_everywhere().await;
        if laptop.has_recovered() {
            laptop.check_all_fresh();
        }
        laptop.request(minute % 2, minute % 3).await;
    }
    let entries = laptop.entries();
    StormOutcome {
        broken_promises: entries.broken_promises.clone(),
        simulated_time: laptop.elapsed(),
        served: laptop.served,
        sign_ins: laptop.sign_ins,
        lost_in_window: entries.lost_in_window,
        renewals: entries.renewals,
        steps: 0,
    }
}

/// Returns a random duration. Its logarithm is uniform, so short durations are as frequent as long ones.
fn random_duration(rng: &mut fastrand::Rng, shortest: Duration, longest: Duration) -> Duration {
    let (shortest, longest) = (shortest.as_secs_f64().ln(), longest.as_secs_f64().ln());
    Duration::from_secs_f64((shortest + rng.f64() * (longest - shortest)).exp())
}

/// Runs a future in one thread on a paused clock, which advances when all tasks are idle.
pub(crate) fn in_paused_time<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(work)
}
