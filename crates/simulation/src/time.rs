//! Time as a laptop has it: what it really is, what the wall clock says, and what only ever runs forward. The runtime's
//! paused clock is the monotonic one, which stands still while the machine sleeps.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use ssod_clock::{Correction, Reading, Sleep, TimeSource, sleep_supervised};
use ssod_model::{SignedDuration, Timestamp, TimestampExt};
use tokio::sync::Notify;
use tokio::time::Instant;

/// The simulated week begins here: a Monday, at midnight.
const BEGIN: i64 = 1_800_230_400;
/// A clock that is off by less counts as right.
const TOLERATED: Duration = Duration::from_secs(61);

/// The world's time. Clones share it; as a [`TimeSource`] it is the true one, which AWS has.
#[derive(Clone)]
pub(crate) struct Time(Arc<Inner>);

struct Inner {
    begun: Instant,
    moved: Mutex<Moved>,
    /// Told when the wall clock was set, or the machine woke.
    jumped: Notify,
    jumps: AtomicU64,
    traces: bool,
}

#[derive(Clone, Copy, Default)]
struct Moved {
    slept: Duration,
    /// How far the wall clock is ahead of the truth.
    error: SignedDuration,
}

impl Default for Time {
    fn default() -> Self {
        Self(Arc::new(Inner {
            begun: Instant::now(),
            moved: Mutex::default(),
            jumped: Notify::new(),
            jumps: AtomicU64::new(0),
            traces: std::env::var_os("SSOD_TRACE").is_some(),
        }))
    }
}

impl Time {
    /// What AWS's clock says.
    pub(crate) fn truth(&self) -> Timestamp {
        Timestamp::from_second(BEGIN).unwrap().plus(self.elapsed())
    }

    /// How long it is since the beginning.
    pub(crate) fn elapsed(&self) -> Duration {
        self.reading().steady
    }

    /// The machine sleeps.
    pub(crate) fn suspend(&self, for_so_long: Duration) {
        self.0.moved.lock().unwrap().slept += for_so_long;
        self.jump();
    }

    /// Somebody sets the wall clock, which is so far ahead from then on, or behind where negative.
    pub(crate) fn set_wall(&self, ahead: SignedDuration) {
        self.0.moved.lock().unwrap().error = ahead;
        self.jump();
    }

    /// How far the wall clock is ahead.
    pub(crate) fn error(&self) -> SignedDuration {
        self.0.moved.lock().unwrap().error
    }

    /// Says what happens, where somebody wants to read it: `SSOD_TRACE=1`, with one seed.
    pub(crate) fn note(&self, what: impl Fn() -> String) {
        if self.0.traces {
            eprintln!("{:>12.3} {}", self.elapsed().as_secs_f64(), what());
        }
    }

    /// Somebody asks: what the engine was going to do may be done already when it wakes.
    pub(crate) fn excuse(&self) {
        self.0.jumps.fetch_add(1, Ordering::SeqCst);
    }

    fn jump(&self) {
        self.0.jumps.fetch_add(1, Ordering::SeqCst);
        self.0.jumped.notify_waiters();
    }

    fn reading(&self) -> Reading {
        let moved = *self.0.moved.lock().unwrap();
        let steady = self.0.begun.elapsed() + moved.slept;
        let truth = Timestamp::from_second(BEGIN).unwrap().plus(steady);
        let by = moved.error.unsigned_abs();
        Reading { wall: if moved.error.is_negative() { truth.minus(by) } else { truth.plus(by) }, steady }
    }
}

impl TimeSource for Time {
    fn now(&self) -> Timestamp {
        self.truth()
    }

    fn sleep_until(&self, deadline: Timestamp) -> Sleep<'_> {
        Box::pin(async move { tokio::time::sleep(deadline.since_or_zero(self.truth())).await })
    }
}

/// The clock of one run of the daemon: the wall clock, and what this run heard of AWS's.
#[derive(Clone)]
pub(crate) struct LocalClock {
    time: Time,
    correction: Arc<Mutex<Correction>>,
    /// Whether the machine has a timer on the wall clock, or only the supervisor.
    has_alarm: bool,
    wakes: Arc<Wakes>,
}

/// Counts how often the engine woke at a deadline and had nothing to do.
#[derive(Default)]
struct Wakes {
    /// How many looks of the engine found something due so far; known when the engine is.
    worked: OnceLock<Box<dyn Fn() -> u64 + Send + Sync>>,
    /// That number, and the jumps, at the last waking by a deadline.
    last: Mutex<Option<(u64, u64)>>,
    idle: AtomicU64,
}

impl LocalClock {
    /// For a run that begins now.
    pub(crate) fn new(time: &Time, has_alarm: bool) -> Self {
        Self { time: time.clone(), correction: Arc::default(), has_alarm, wakes: Arc::default() }
    }

    /// Says where to ask how many looks found something due.
    pub(crate) fn counts(&self, worked: impl Fn() -> u64 + Send + Sync + 'static) {
        assert!(self.wakes.worked.set(Box::new(worked)).is_ok(), "one engine to a clock");
    }

    /// How often the engine woke for nothing.
    pub(crate) fn idle_wakes(&self) -> u64 {
        self.wakes.idle.load(Ordering::SeqCst)
    }

    /// How far this run may be behind the truth: what is too little to count, and all of it as long as nobody told it.
    pub(crate) fn may_lag(&self) -> Duration {
        let behind = self.time.truth().since_or_zero(self.now());
        if self.correction.lock().unwrap().is_known() { behind.min(TOLERATED) } else { behind }
    }

    /// For whoever reads what happened.
    pub(crate) fn describe(&self) -> String {
        let behind = self.time.truth().duration_since(self.now());
        format!("the wall clock is {} ahead, the engine's {} behind", self.time.error(), behind)
    }

    fn jumps(&self) -> u64 {
        self.time.0.jumps.load(Ordering::SeqCst)
    }

    /// The engine looks again: what came of the last waking?
    fn looks(&self) {
        let Some(worked) = self.wakes.worked.get() else { return };
        let last = self.wakes.last.lock().unwrap().take();
        if last.is_some_and(|(before, jumps)| worked() == before && jumps == self.jumps()) {
            self.time.note(|| "the engine woke for nothing".to_owned());
            self.wakes.idle.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// As timerfd does with CANCEL_ON_SET; a suspend ends it where its time has come.
    fn rings(&self, remaining: Duration) -> impl Future<Output = ()> + Send + use<> {
        let (time, error) = (self.time.clone(), self.time.error());
        let at = time.reading().wall.plus(remaining);
        async move {
            loop {
                let jumped = time.0.jumped.notified();
                let now = time.reading().wall;
                if now >= at || time.error() != error {
                    return;
                }
                tokio::select! {
                    () = jumped => {}
                    () = tokio::time::sleep(at.since_or_zero(now)) => {}
                }
            }
        }
    }
}

impl TimeSource for LocalClock {
    fn now(&self) -> Timestamp {
        self.correction.lock().unwrap().now(self.time.reading())
    }

    fn learn(&self, aws_time: Timestamp, asked_at: Timestamp) {
        self.correction.lock().unwrap().learn(aws_time, asked_at, self.time.reading());
    }

    fn sleep_until(&self, deadline: Timestamp) -> Sleep<'_> {
        Box::pin(self.sleep_and_count(deadline))
    }
}

impl LocalClock {
    async fn sleep_and_count(&self, deadline: Timestamp) {
        self.looks();
        self.time.note(|| {
            format!("the engine sleeps for {:?}; {}", deadline.since_or_zero(self.now()), self.describe())
        });
        let jumps = self.jumps();
        let alarm = |remaining| self.has_alarm.then(|| self.rings(remaining));
        sleep_supervised(self, || self.time.reading().wall, alarm, deadline).await;
        if let Some(worked) = self.wakes.worked.get().filter(|_| jumps == self.jumps()) {
            *self.wakes.last.lock().unwrap() = Some((worked(), jumps));
        }
    }
}
