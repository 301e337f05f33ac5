//! The rate limit of calls to the portal: a number of calls per second, a number of concurrent calls, and calls that a
//! caller waits for before calls of the timer.
//!
//! It uses monotonic time, so a jump of the wall clock neither blocks calls nor releases a burst.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::decide::{RETRY_MAX, backoff, seed};

/// Concurrent calls; users report 429s from about twenty calls a second.
pub const IN_FLIGHT: usize = 5;
/// Permits that accumulate while there are no calls, so a few profiles need not queue. The number is small enough that
/// no second has twice the rate.
pub const BURST: f64 = 5.0;
/// The lowest rate that the user can set, so that progress never stops.
const SLOWEST: f64 = 0.1;
/// A single 429 among good answers contains no information about the rate. After more than this number in a row, all
/// calls wait.
const TOLERATED: u32 = 2;

/// Grants permits.
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
    /// A task sleeps until the next permit has accumulated.
    wake_scheduled: bool,
    /// 429s in a row.
    refusals: u32,
}

/// The right to make one call, which ends when this is dropped.
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
            rate: rate.max(SLOWEST),
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
        queue.rate = rate.max(SLOWEST);
        drop(queue);
        self.serve();
        self.freed.notify_one();
    }

    /// Waits for a permit, for a caller that waits for the answer.
    pub(crate) async fn permit(self: &Arc<Self>) -> Permit {
        let (give, given) = oneshot::channel();
        self.queue().waiting.push_back(give);
        self.serve();
        // The sender is dropped only with the limiter itself, so no caller waits then.
        given.await.unwrap_or(Permit(None))
    }

    /// Returns a permit for a background call, if there is one now that no caller waits for.
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
                // A caller that waits, or a pause, may come in between.
                Some(at) => tokio::select! {
                    () = tokio::time::sleep_until(at) => {}
                    () = self.freed.notified() => {}
                },
                None => self.freed.notified().await,
            }
        }
    }

    /// The portal answered a call with 429. All calls wait for as long as Retry-After says; without it, after several
    /// 429s in a row.
    pub(crate) fn refused(&self, retry_after: Option<Duration>) {
        let mut queue = self.queue();
        queue.refusals = queue.refusals.saturating_add(1);
        let in_excess = queue.refusals.saturating_sub(TOLERATED);
        let drawn = (in_excess > 0)
            .then(|| backoff(in_excess - 1, None, RETRY_MAX, seed((queue.refusals, queue.saved_at))));
        if let Some(wait) = drawn.max(retry_after).map(|wait| wait.min(RETRY_MAX)) {
            queue.accumulate();
            queue.saved = 0.0;
            queue.saved_at = queue.saved_at.max(Instant::now() + wait);
        }
    }

    /// The portal answered a call with anything other than 429.
    pub(crate) fn answered(&self) {
        self.queue().refusals = 0;
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Grants the permits that there are. If the callers wait only for time, a task continues when the next permit has
    /// accumulated.
    fn serve(self: &Arc<Self>) {
        let mut queue = self.queue();
        queue.accumulate();
        while queue.in_flight < IN_FLIGHT && queue.saved >= 1.0 {
            let Some(give) = queue.waiting.pop_front() else { return };
            queue.in_flight += 1;
            queue.saved -= 1.0;
            if let Err(mut unwanted) = give.send(Permit(Some(self.clone()))) {
                // The caller no longer waits, so its permit goes to the next one.
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
    /// Whether a background call may start now.
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
    async fn neither_the_rate_nor_the_number_of_concurrent_calls_is_exceeded() {
        let limiter = Limiter::new(10.0);
        let (at_once, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let start = Instant::now();
        let calls: Vec<_> = (0..100)
            .map(|number| {
                let (limiter, at_once, most) = (limiter.clone(), at_once.clone(), most.clone());
                tokio::spawn(async move {
                    let _permit = limiter.permit().await;
                    most.fetch_max(at_once.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    let began = Instant::now();
                    tokio::time::sleep(Duration::from_millis(10 + number % 3 * 20)).await;
                    at_once.fetch_sub(1, Ordering::SeqCst);
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
            // Fifteen in any second: the burst, and the rate.
            assert!(at.duration_since(began[index - 15]) >= Duration::from_millis(990), "{index}");
        }
        let taken = start.elapsed().as_secs_f64();
        assert!(taken < 100.0 / 10.0 * 1.05, "{taken} seconds for a hundred calls");
    }

    #[tokio::test(start_paused = true)]
    async fn calls_that_a_caller_waits_for_go_before_calls_of_the_timer() {
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
            assert!(waited.await.unwrap() < background, "a background call went before a caller");
        }
        assert!(background - start >= Duration::from_secs(4), "{:?}", background - start);
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_delays_all_calls_and_a_cancelled_caller_takes_no_permit() {
        let limiter = Limiter::new(1.0);
        limiter.refused(Some(Duration::from_secs(30)));
        let start = Instant::now();
        let left = tokio::time::timeout(Duration::from_secs(1), limiter.permit()).await;
        assert!(left.is_err() && limiter.try_permit().is_none());
        drop(limiter.permit().await);
        let waited = start.elapsed();
        assert!((Duration::from_secs(30)..Duration::from_secs(32)).contains(&waited), "{waited:?}");
        assert_eq!(limiter.queue().in_flight, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_single_429_among_good_answers_delays_no_call_and_several_in_a_row_do() {
        let limiter = Limiter::new(1_000.0);
        for _ in 0..100 {
            limiter.refused(None);
            limiter.answered();
        }
        assert!(limiter.try_permit().is_some());
        for _ in 0..12 {
            limiter.refused(None);
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
