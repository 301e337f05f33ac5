//! The rate limit of calls to the portal: it limits the calls per second and the concurrent calls, and it serves calls
//! that a caller waits for before background calls of the timer.
//!
//! It uses monotonic time, so a jump of the wall clock neither blocks calls nor releases a burst.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::decide::{RETRY_MAX, backoff, seed};

/// The maximum number of concurrent calls. Users report 429s from about twenty calls a second.
pub const IN_FLIGHT: usize = 5;
/// The maximum number of permits that accumulate while there are no calls, so a few profiles need not queue. It is
/// small enough that no second has twice the default rate.
pub const BURST: f64 = 5.0;
/// The lowest rate in permits per second, so that progress never stops.
const MIN_RATE: f64 = 0.1;
/// A single 429 among successful answers does not mean that the rate is too high. After more than this number in a row,
/// all calls wait.
const TOLERATED_REFUSALS: u32 = 2;

/// Grants permits for calls.
pub(crate) struct Limiter {
    queue: Mutex<Queue>,
    /// Notified when a background call may get its permit.
    freed: Notify,
}

struct Queue {
    /// Permits per second.
    rate: f64,
    /// Permits that have accumulated.
    saved: f64,
    /// When `saved` was computed; after a 429, when the pause ends.
    saved_at: Instant,
    in_flight: usize,
    /// In the order of arrival; each is one profile's shared fetch, or a command of the user.
    waiting: VecDeque<oneshot::Sender<Permit>>,
    /// Whether a task sleeps until the next permit has accumulated.
    wake_scheduled: bool,
    /// The number of 429s in a row.
    refusals: u32,
}

/// The permission to make one call. Dropping it returns the permit.
pub(crate) struct Permit(Option<Arc<Limiter>>);

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(limiter) = self.0.take() {
            limiter.queue().in_flight -= 1;
            limiter.serve();
            limiter.freed.notify_one();
        }
    }
}

impl Limiter {
    /// Creates a limiter with that many permits per second.
    pub(crate) fn new(rate: f64) -> Arc<Self> {
        let queue = Queue {
            rate: rate.max(MIN_RATE),
            saved: BURST,
            saved_at: Instant::now(),
            in_flight: 0,
            waiting: VecDeque::new(),
            wake_scheduled: false,
            refusals: 0,
        };
        Arc::new(Self { queue: Mutex::new(queue), freed: Notify::new() })
    }

    /// Changes the number of permits per second.
    pub(crate) fn set_rate(self: &Arc<Self>, rate: f64) {
        let mut queue = self.queue();
        queue.accumulate();
        queue.rate = rate.max(MIN_RATE);
        drop(queue);
        self.serve();
        self.freed.notify_one();
    }

    /// Waits for a permit, for a caller that waits for the answer.
    pub(crate) async fn permit(self: &Arc<Self>) -> Permit {
        let (sender, receiver) = oneshot::channel();
        self.queue().waiting.push_back(sender);
        self.serve();
        // The sender is dropped only with the limiter itself, so no caller waits then.
        receiver.await.unwrap_or(Permit(None))
    }

    /// Returns a permit for a background call, if one is available and no caller waits.
    pub(crate) fn try_permit(self: &Arc<Self>) -> Option<Permit> {
        let mut queue = self.queue();
        queue.accumulate();
        if !queue.has_background_permit() {
            return None;
        }
        queue.in_flight += 1;
        queue.saved -= 1.0;
        Some(Permit(Some(self.clone())))
    }

    /// Ends when [`try_permit`](Self::try_permit) may succeed.
    pub(crate) async fn permit_available(&self) {
        loop {
            let saved_at = {
                let mut queue = self.queue();
                queue.accumulate();
                if queue.has_background_permit() {
                    return;
                }
                let waits_for_time = queue.waiting.is_empty() && queue.in_flight < IN_FLIGHT;
                waits_for_time.then(|| queue.next_permit())
            };
            match saved_at {
                // A caller or a pause may take the permit first, so the loop checks again.
                Some(at) => tokio::select! {
                    () = tokio::time::sleep_until(at) => {}
                    () = self.freed.notified() => {}
                },
                None => self.freed.notified().await,
            }
        }
    }

    /// Records that the portal answered a call with 429. All calls wait as long as Retry-After says; without it, they
    /// wait only after several 429s in a row.
    pub(crate) fn throttled(&self, retry_after: Option<Duration>) {
        let mut queue = self.queue();
        queue.refusals = queue.refusals.saturating_add(1);
        let excess = queue.refusals.saturating_sub(TOLERATED_REFUSALS);
        let drawn =
            (excess > 0).then(|| backoff(excess - 1, None, None, seed((queue.refusals, queue.saved_at))));
        if let Some(wait) = drawn.max(retry_after).map(|wait| wait.min(RETRY_MAX)) {
            queue.accumulate();
            queue.saved = 0.0;
            queue.saved_at = queue.saved_at.max(Instant::now() + wait);
        }
    }

    /// Records that the portal answered a call with anything other than 429.
    pub(crate) fn answered(&self) {
        self.queue().refusals = 0;
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Grants the available permits to the waiting callers. If the next permit has not accumulated yet, a task
    /// continues when it has.
    fn serve(self: &Arc<Self>) {
        let mut queue = self.queue();
        queue.accumulate();
        while queue.in_flight < IN_FLIGHT && queue.saved >= 1.0 {
            let Some(sender) = queue.waiting.pop_front() else { return };
            queue.in_flight += 1;
            queue.saved -= 1.0;
            if let Err(mut unwanted) = sender.send(Permit(Some(self.clone()))) {
                // The caller no longer waits, so the next one gets its permit.
                unwanted.0 = None;
                queue.in_flight -= 1;
                queue.saved += 1.0;
            }
        }
        if !queue.waiting.is_empty() && queue.in_flight < IN_FLIGHT && !queue.wake_scheduled {
            queue.wake_scheduled = true;
            let (at, limiter) = (queue.next_permit(), self.clone());
            tokio::spawn(async move {
                tokio::time::sleep_until(at).await;
                limiter.queue().wake_scheduled = false;
                limiter.serve();
                limiter.freed.notify_one();
            });
        }
    }
}

impl Queue {
    /// Returns whether a background call may start now.
    fn has_background_permit(&self) -> bool {
        self.waiting.is_empty() && self.in_flight < IN_FLIGHT && self.saved >= 1.0
    }

    /// Returns when the next permit has accumulated.
    fn next_permit(&self) -> Instant {
        self.saved_at + Duration::from_secs_f64(((1.0 - self.saved) / self.rate).max(0.001))
    }

    /// Adds the permits that accumulated since the last call.
    fn accumulate(&mut self) {
        let now = Instant::now();
        // During a pause nothing accumulates.
        let passed = now.saturating_duration_since(self.saved_at);
        if !passed.is_zero() {
            self.saved = (self.saved + passed.as_secs_f64() * self.rate).min(BURST);
            self.saved_at = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_limits_on_rate_and_concurrent_calls_hold() {
        let limiter = Limiter::new(10.0);
        let (concurrent, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let start = Instant::now();
        let calls: Vec<_> = (0..100)
            .map(|number| {
                let (limiter, concurrent, most) = (limiter.clone(), concurrent.clone(), most.clone());
                tokio::spawn(async move {
                    let _permit = limiter.permit().await;
                    most.fetch_max(concurrent.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    let began = Instant::now();
                    tokio::time::sleep(Duration::from_millis(10 + number % 3 * 20)).await;
                    concurrent.fetch_sub(1, Ordering::SeqCst);
                    began
                })
            })
            .collect();
        let mut began = Vec::new();
        for call in calls {
            began.push(call.await.unwrap());
        }
        began.sort();
        assert_eq!(most.load(Ordering::SeqCst), IN_FLIGHT);
        for (index, at) in began.iter().enumerate().skip(15) {
            // At most fifteen in any second: the burst of five plus the rate of ten.
            assert!(at.duration_since(began[index - 15]) >= Duration::from_millis(990), "{index}");
        }
        let taken = start.elapsed().as_secs_f64();
        assert!(taken < 100.0 / 10.0 * 1.05, "{taken} seconds for a hundred calls");
    }

    #[tokio::test(start_paused = true)]
    async fn calls_that_a_caller_waits_for_precede_calls_of_the_timer() {
        let limiter = Limiter::new(1.0);
        let burst: Vec<_> = std::iter::from_fn(|| limiter.try_permit()).collect();
        assert_eq!(burst.len(), IN_FLIGHT);
        drop(burst);
        // It waits for the next permit before the callers do.
        let background = tokio::spawn({
            let limiter = limiter.clone();
            async move {
                loop {
                    limiter.permit_available().await;
                    if let Some(permit) = limiter.try_permit() {
                        return (permit, Instant::now());
                    }
                }
            }
        });
        tokio::task::yield_now().await;
        let start = Instant::now();
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let limiter = limiter.clone();
                tokio::spawn(async move {
                    drop(limiter.permit().await);
                    Instant::now()
                })
            })
            .collect();
        let (_permit, background) = background.await.unwrap();
        for waited in waiting {
            assert!(waited.await.unwrap() < background, "a background call preceded a caller's");
        }
        assert!(background - start >= Duration::from_secs(4), "{:?}", background - start);
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_delays_all_calls_and_a_cancelled_caller_takes_no_permit() {
        let limiter = Limiter::new(1.0);
        limiter.throttled(Some(Duration::from_secs(30)));
        let start = Instant::now();
        let left = tokio::time::timeout(Duration::from_secs(1), limiter.permit()).await;
        assert!(left.is_err() && limiter.try_permit().is_none());
        drop(limiter.permit().await);
        let waited = start.elapsed();
        assert!((Duration::from_secs(30)..Duration::from_secs(32)).contains(&waited), "{waited:?}");
        assert_eq!(limiter.queue().in_flight, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_single_429_among_successful_answers_delays_no_call_and_several_in_a_row_do() {
        let limiter = Limiter::new(1_000.0);
        for _ in 0..100 {
            limiter.throttled(None);
            limiter.answered();
        }
        assert!(limiter.try_permit().is_some());
        for _ in 0..12 {
            limiter.throttled(None);
        }
        let start = Instant::now();
        limiter.permit_available().await;
        let waited = start.elapsed();
        assert!(
            waited >= Duration::from_secs(1) && waited <= RETRY_MAX + Duration::from_secs(1),
            "{waited:?}"
        );
    }
}
