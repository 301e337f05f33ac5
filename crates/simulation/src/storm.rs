//! All the trouble that there is, drawn from a seed; and death at each step in turn.

use std::time::Duration;

use ssod_model::SignedDuration;

use crate::laptop::Laptop;
use crate::setup::Setup;

/// Things that happen in one storm.
const EVENTS: usize = 120;
const MINUTE: Duration = Duration::from_mins(1);

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Promises that were broken, in words.
    pub broken: Vec<String>,
    /// How long it was, by AWS's clock.
    pub lasted: Duration,
    /// Requests that were answered with credentials.
    pub served: usize,
    /// Sign-ins by a person.
    pub sign_ins: usize,
    /// Sign-ins lost in the one window that the protocol leaves open.
    pub lost_in_window: usize,
    /// Renewals of sign-ins that AWS did.
    pub renewals: usize,
    /// Steps of the first run.
    pub steps: u64,
}

/// Weeks of trouble and a calm end, all of which follow from the seed.
pub fn storm(seed: u64) -> Outcome {
    in_paused_time(async {
        let mut rng = fastrand::Rng::with_seed(seed);
        let setup = Setup { has_alarm: rng.u8(..) < 200, ..Setup::small(seed) };
        let mut laptop = Laptop::new(setup, 0);
        laptop.sign_in_where_needed().await;
        for _ in 0..EVENTS {
            happens(&mut laptop, &mut rng).await;
            laptop.look();
        }
        ends(laptop).await
    })
}

/// Three hours in which the first run dies at that step, and the second one goes on; nothing else is wrong.
pub fn die_at(step: u64) -> Outcome {
    in_paused_time(async {
        let mut laptop = Laptop::new(Setup::small(7), step);
        laptop.sign_in_where_needed().await;
        for minute in 0..180 {
            laptop.pass(MINUTE).await;
            laptop.look();
            laptop.ask(minute % 2, minute % 3).await;
        }
        let steps = laptop.steps();
        laptop.kill();
        laptop.restart(0).await;
        Outcome { steps, ..ends(laptop).await }
    })
}

async fn happens(laptop: &mut Laptop, rng: &mut fastrand::Rng) {
    let (session, profile) = (rng.usize(..2), rng.usize(..3));
    let drawn = rng.u8(..100);
    laptop.time().note(|| format!("{drawn} for {session}-{profile}"));
    match drawn {
        0..30 => {
            laptop.ask(session, profile).await;
        }
        30..33 => laptop.ask_at_once(session, profile, 30).await,
        33..60 => laptop.pass(duration(rng, Duration::from_secs(1), 20 * MINUTE)).await,
        60..72 => bad_weather(laptop, rng).await,
        72..77 => laptop.sleep(duration(rng, MINUTE, Duration::from_hours(12))),
        77..82 => {
            let by = SignedDuration::from_secs(rng.i64(-10_800..10_800));
            laptop.time().set_wall(if rng.bool() { SignedDuration::ZERO } else { by });
            laptop.disturbed();
        }
        82..87 => {
            laptop.kill();
            laptop.restart(if rng.bool() { rng.u64(1..40) } else { 0 }).await;
        }
        87..89 => laptop.restart(0).await,
        89..91 => laptop.end_session(session),
        91..93 => laptop.assign(session, profile, rng.bool()),
        93..94 => laptop.sign_out(session).await,
        94..96 => laptop.fill_disk(rng.bool()),
        96..98 => laptop.change_network(),
        98..99 => laptop.edit_config(),
        _ => laptop.sign_in_where_needed().await,
    }
    // Somebody mostly notices when a sign-in is needed, and the service manager when the daemon died.
    if rng.u8(..10) < 3 {
        laptop.restart_where_dead().await;
        laptop.sign_in_where_needed().await;
    }
}

/// For a while, the way to AWS is bad in one way or another.
async fn bad_weather(laptop: &mut Laptop, rng: &mut fastrand::Rng) {
    let lasts = duration(rng, Duration::from_secs(10), 40 * MINUTE);
    {
        let mut weather = laptop.weather();
        match rng.u8(..6) {
            0 | 1 => weather.away = true,
            2 => weather.throttled = rng.f64(),
            3 => {
                weather.throttled = 1.0;
                weather.retry_after = Some(Duration::from_secs(rng.u64(1..120)));
            }
            4 => weather.failing = rng.f64(),
            _ => {
                weather.lossy = rng.f64() * 0.5;
                weather.latency = Duration::from_secs(rng.u64(1..12));
            }
        }
    }
    let steps = rng.u32(1..6);
    for _ in 0..steps {
        laptop.pass(lasts / steps).await;
        laptop.disturbed();
        laptop.ask(rng.usize(..2), rng.usize(..3)).await;
    }
    laptop.weather().clear();
    laptop.disturbed();
}

/// All trouble is over. Within a bounded time everything is fresh, and it stays so.
async fn ends(mut laptop: Laptop) -> Outcome {
    laptop.weather().clear();
    laptop.time().set_wall(SignedDuration::ZERO);
    laptop.fill_disk(false);
    for (session, profile) in [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
        laptop.assign(session, profile, true);
    }
    laptop.restart_where_dead().await;
    laptop.sign_in_where_needed().await;
    laptop.disturbed();
    for _ in 0..8 {
        laptop.pass(MINUTE).await;
        laptop.look();
        // A death that was drawn before may come now; and a sign-in that died in its window is noticed when its token is renewed.
        laptop.restart_where_dead().await;
        laptop.sign_in_where_needed().await;
    }
    for minute in 0..120 {
        laptop.pass(MINUTE).await;
        laptop.look();
        laptop.restart_where_dead().await;
        laptop.sign_in_where_needed().await;
        if laptop.is_calm() {
            laptop.look_at_the_calm();
        }
        laptop.ask(minute % 2, minute % 3).await;
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
    // As many short ones as long ones: the logarithm is drawn evenly.
    let (shortest, longest) = (shortest.as_secs_f64().ln(), longest.as_secs_f64().ln());
    Duration::from_secs_f64((shortest + rng.f64() * (longest - shortest)).exp())
}

/// Runs it in one thread on a clock that moves when nothing else does.
pub(crate) fn in_paused_time<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(work)
}
