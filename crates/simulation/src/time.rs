//! The clocks of a laptop: true time, its wall clock, and a steady clock that no program can set. The runtime's paused
//! clock acts as the monotonic clock, which stops while the machine is suspended.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use ssod_clock::{Correction, Reading, Sleep, TimeSource, sleep_supervised};
use ssod_model::{SignedDuration, Timestamp, TimestampExt};
use tokio::sync::Notify;
use tokio::time::Instant;

/// The second at which each simulation starts: a Monday, at midnight.
const START: i64 = 1_800_230_400;
/// The largest error of a clock that AWS has corrected.
const MAX_CORRECTED_ERROR: Duration = Duration::from_secs(61);

/// True time and the laptop's wall clock. Clones share one state. As a [`TimeSource`] it returns true time, which is
/// AWS's.
#[derive(Clone)]
pub(crate) struct Time(Arc<TimeState>);

struct TimeState {
    started_at: Instant,
    offsets: Mutex<ClockOffsets>,
    /// Notified when the wall clock is set or the machine wakes.
    jumped: Notify,
    jumps: AtomicU64,
    is_traced: bool,
}

#[derive(Clone, Copy, Default)]
struct ClockOffsets {
    suspended: Duration,
    /// How far the wall clock is ahead of true time.
    error: SignedDuration,
}

impl Default for Time {
    fn default() -> Self {
        Self(Arc::new(TimeState {
            started_at: Instant::now(),
            offsets: Mutex::default(),
            jumped: Notify::new(),
            jumps: AtomicU64::new(0),
            is_traced: std::env::var_os("SSOD_TRACE").is_some(),
        }))
    }
}

impl Time {
    /// Returns true time, which AWS's clock shows.
    pub(crate) fn truth(&self) -> Timestamp {
        Timestamp::from_second(START).unwrap().plus(self.elapsed())
    }

    /// Returns the time since the start, including suspends.
    pub(crate) fn elapsed(&self) -> Duration {
        self.reading().steady
    }

    /// Suspends the machine for this long.
    pub(crate) fn suspend(&self, duration: Duration) {
        self.0.offsets.lock().unwrap().suspended += duration;
        self.jump();
    }

    /// Sets the wall clock this far ahead of true time; a negative value sets it behind.
    pub(crate) fn set_wall_clock(&self, ahead: SignedDuration) {
        self.0.offsets.lock().unwrap().error = ahead;
        self.jump();
    }

    /// Returns how far the wall clock is ahead of true time.
    pub(crate) fn error(&self) -> SignedDuration {
        self.0.offsets.lock().unwrap().error
    }

    /// Prints an event if `SSOD_TRACE` is set, which is useful with a single seed.
    pub(crate) fn trace(&self, what: impl Fn() -> String) {
        if self.0.is_traced {
            eprintln!("{:>12.3} {}", self.elapsed().as_secs_f64(), what());
        }
    }

    /// Does not count the engine's next wake as idle, because a caller's request may do its work earlier.
    pub(crate) fn excuse_next_wake(&self) {
        self.0.jumps.fetch_add(1, Ordering::SeqCst);
    }

    fn jump(&self) {
        self.0.jumps.fetch_add(1, Ordering::SeqCst);
        self.0.jumped.notify_waiters();
    }

    fn reading(&self) -> Reading {
        let offsets = *self.0.offsets.lock().unwrap();
        let steady = self.0.started_at.elapsed() + offsets.suspended;
        let truth = Timestamp::from_second(START).unwrap().plus(steady);
        let by = offsets.error.unsigned_abs();
        Reading { wall: if offsets.error.is_negative() { truth.minus(by) } else { truth.plus(by) }, steady }
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

/// The clock of one run of the daemon: the wall clock, corrected by the AWS times that this run has seen.
#[derive(Clone)]
pub(crate) struct LocalClock {
    time: Time,
    correction: Arc<Mutex<Correction>>,
    /// Whether the machine has a timer on the wall clock in addition to the supervisor.
    has_alarm: bool,
    wakes: Arc<WakeCounter>,
}

/// Counts how often the engine woke at a deadline and had no work.
#[derive(Default)]
struct WakeCounter {
    /// Returns how many of the engine's ticks had work. It is set after the engine is created.
    busy_ticks: OnceLock<Box<dyn Fn() -> u64 + Send + Sync>>,
    /// The numbers of busy ticks and of jumps at the last wake by a deadline.
    last_wake: Mutex<Option<(u64, u64)>>,
    idle: AtomicU64,
}

impl LocalClock {
    /// Creates the clock of a run that starts now.
    pub(crate) fn new(time: &Time, has_alarm: bool) -> Self {
        Self { time: time.clone(), correction: Arc::default(), has_alarm, wakes: Arc::default() }
    }

    /// Sets the function that returns how many ticks had work.
    pub(crate) fn set_busy_ticks(&self, busy_ticks: impl Fn() -> u64 + Send + Sync + 'static) {
        assert!(self.wakes.busy_ticks.set(Box::new(busy_ticks)).is_ok(), "a clock has one engine");
    }

    /// Returns how often the engine woke without work.
    pub(crate) fn idle_wakes(&self) -> u64 {
        self.wakes.idle.load(Ordering::SeqCst)
    }

    /// Returns how far this run's clock may be behind true time. Until the first answer from AWS, every error is
    /// allowed.
    pub(crate) fn may_lag(&self) -> Duration {
        let behind = self.time.truth().since_or_zero(self.now());
        if self.correction.lock().unwrap().is_known() { behind.min(MAX_CORRECTED_ERROR) } else { behind }
    }

    /// Describes the clocks for the trace.
    pub(crate) fn describe(&self) -> String {
        let behind = self.time.truth().duration_since(self.now());
        format!("the wall clock is {} ahead, the engine's clock is {} behind", self.time.error(), behind)
    }

    fn jumps(&self) -> u64 {
        self.time.0.jumps.load(Ordering::SeqCst)
    }

    /// Counts the last wake as idle if no tick had work since.
    fn check_last_wake(&self) {
        let Some(busy_ticks) = self.wakes.busy_ticks.get() else { return };
        let last = self.wakes.last_wake.lock().unwrap().take();
        if last.is_some_and(|(before, jumps)| busy_ticks() == before && jumps == self.jumps()) {
            self.time.trace(|| "the engine woke without work".to_owned());
            self.wakes.idle.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Behaves as a timerfd with CANCEL_ON_SET: it completes at its time, also after a suspend, and when the clock is
    /// set.
    fn wall_clock_alarm(&self, remaining: Duration) -> impl Future<Output = ()> + Send + use<> {
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
    /// Sleeps until the deadline, and checks whether the wake before this sleep was idle.
    async fn sleep_and_count(&self, deadline: Timestamp) {
        self.check_last_wake();
        self.time.trace(|| {
            format!("the engine sleeps for {:?}; {}", deadline.since_or_zero(self.now()), self.describe())
        });
        let jumps = self.jumps();
        let alarm = |remaining| self.has_alarm.then(|| self.wall_clock_alarm(remaining));
        sleep_supervised(self, || self.time.reading().wall, alarm, deadline).await;
        if let Some(busy_ticks) = self.wakes.busy_ticks.get().filter(|_| jumps == self.jumps()) {
            *self.wakes.last_wake.lock().unwrap() = Some((busy_ticks(), jumps));
        }
    }
}
