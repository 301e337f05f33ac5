//! Random faults of every kind, determined by a seed; and a death at one given step.

use std::time::Duration;

use ssod_model::SignedDuration;

use crate::laptop::Laptop;
use crate::setup::Setup;

/// The number of events in one storm.
const EVENTS: usize = 120;
const MINUTE: Duration = Duration::from_mins(1);

/// The result of a simulation.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Descriptions of broken promises.
    pub broken: Vec<String>,
    /// How long it lasted in true time.
    pub lasted: Duration,
    /// Requests that were answered with credentials.
    pub served: usize,
    /// Sign-ins by the user.
    pub sign_ins: usize,
    /// Sign-ins lost in the one window that the protocol leaves open.
    pub lost_in_window: usize,
    /// Renewals of sign-ins at AWS.
    pub renewals: usize,
    /// The number of steps of the first run.
    pub steps: u64,
}

/// Simulates weeks of faults and a calm end, all determined by the seed.
pub fn storm(seed: u64) -> Outcome {
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

/// Simulates three hours without other faults. The first run dies at that step, if one is given, and a second run continues.
pub fn die_at(step: Option<u64>) -> Outcome {
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
        Outcome { steps, ..recover(laptop).await }
    })
}

async fn random_event(laptop: &mut Laptop, rng: &mut fastrand::Rng) {
    let (session, profile) = (rng.usize(..2), rng.usize(..3));
    let drawn = rng.u8(..100);
    laptop.time().trace(|| format!("{drawn} for {session}-{profile}"));
    match drawn {
        0..30 => {
            laptop.request(session, profile).await;
        }
        30..33 => laptop.request_concurrently(session, profile, 30).await,
        33..60 => laptop.wait(duration(rng, Duration::from_secs(1), 20 * MINUTE)).await,
        60..72 => network_fault(laptop, rng).await,
        72..77 => laptop.suspend(duration(rng, MINUTE, Duration::from_hours(12))),
        77..82 => {
            let by = SignedDuration::from_secs(rng.i64(-10_800..10_800));
            laptop.time().set_wall(if rng.bool() { SignedDuration::ZERO } else { by });
            laptop.disturb();
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
    // Sometimes the user notices that a sign-in is needed, and the service manager that the daemon died.
    if rng.u8(..10) < 3 {
        laptop.restart_if_dead().await;
        laptop.sign_in_everywhere().await;
    }
}

/// Makes the network or AWS fail in one way for a while.
async fn network_fault(laptop: &mut Laptop, rng: &mut fastrand::Rng) {
    let lasts = duration(rng, Duration::from_secs(10), 40 * MINUTE);
    {
        let mut network = laptop.network();
        match rng.u8(..6) {
            0 | 1 => network.is_down = true,
            2 => network.throttled = rng.f64(),
            3 => {
                network.throttled = 1.0;
                network.retry_after = Some(Duration::from_secs(rng.u64(1..120)));
            }
            4 => network.failing = rng.f64(),
            _ => {
                network.lossy = rng.f64() * 0.5;
                network.latency = Duration::from_secs(rng.u64(1..12));
            }
        }
    }
    let steps = rng.u32(1..6);
    for _ in 0..steps {
        laptop.wait(lasts / steps).await;
        laptop.disturb();
        laptop.request(rng.usize(..2), rng.usize(..3)).await;
    }
    laptop.network().clear_faults();
    laptop.disturb();
}

/// Ends all faults and checks that everything is fresh within a bounded time, and stays fresh.
async fn recover(mut laptop: Laptop) -> Outcome {
    laptop.network().clear_faults();
    laptop.time().set_wall(SignedDuration::ZERO);
    laptop.set_disk_full(false);
    for (session, profile) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
        laptop.assign(session, profile, true);
    }
    laptop.restart_if_dead().await;
    laptop.sign_in_everywhere().await;
    laptop.disturb();
    for _ in 0..8 {
        laptop.wait(MINUTE).await;
        laptop.check_promises();
        // A death that was drawn earlier may still happen; and a sign-in lost in the window is only noticed at the next renewal.
        laptop.restart_if_dead().await;
        laptop.sign_in_everywhere().await;
    }
    for minute in 0..120 {
        laptop.wait(MINUTE).await;
        laptop.check_promises();
        laptop.restart_if_dead().await;
        laptop.sign_in_everywhere().await;
        if laptop.is_calm() {
            laptop.check_all_fresh();
        }
        laptop.request(minute % 2, minute % 3).await;
    }
    let entries = laptop.entries();
    Outcome {
        broken: entries.broken.clone(),
        lasted: laptop.elapsed(),
        served: laptop.served,
        sign_ins: laptop.sign_ins,
        lost_in_window: entries.lost_in_window,
        renewals: entries.renewals,
        steps: 0,
    }
}

fn duration(rng: &mut fastrand::Rng, shortest: Duration, longest: Duration) -> Duration {
    // The logarithm is uniform, so short durations are as frequent as long ones.
    let (shortest, longest) = (shortest.as_secs_f64().ln(), longest.as_secs_f64().ln());
    Duration::from_secs_f64((shortest + rng.f64() * (longest - shortest)).exp())
}

/// Runs the future in one thread on a paused clock, which advances when all tasks are idle.
pub(crate) fn in_paused_time<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(work)
}
