//! Politeness towards the portal: so many calls a second, so many at one time, and whoever is waited for goes before what
//! only the timer wants.
//!
//! Its time is the monotonic one: a jump of the wall clock neither stops it nor opens the gate.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::decide::{RETRY_MAX, backoff, seed};

/// Calls that may be under way at once; practitioners see 429s from about twenty a second.
pub const IN_FLIGHT: usize = 5;
/// Turns that a rest saves up, so that a handful of profiles need not queue; few enough that no second sees twice the rate.
pub const BURST: f64 = 5.0;
/// However slow a person wants it, something goes on.
const SLOWEST: f64 = 0.1;
/// A single 429 among good answers says nothing about the rate. From so many in a row on, everybody waits.
const TOLERATED: u32 = 2;

/// Gives out turns.
pub(crate) struct Limiter {
    queue: Mutex<Queue>,
    /// Told when what only the timer wants may have its turn.
    freed: Notify,
}

struct Queue {
    /// Turns a second.
    rate: f64,
    saved: f64,
    saved_at: Instant,
    in_flight: usize,
    /// In the order of their coming; each is one profile's shared fetch, or a person's command.
    waiting: VecDeque<oneshot::Sender<Turn>>,
    /// A task sleeps until the next turn is saved.
    wakes: bool,
    /// 429s since the last other answer.
    refusals: u32,
}

/// The right to make one call; it ends with this.
pub(crate) struct Turn(Option<Arc<Limiter>>);

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(limiter) = self.0.take() {
            limiter.queue().in_flight -= 1;
            limiter.serve();
            limiter.freed.notify_one();
        }
    }
}

impl Limiter {
    pub(crate) fn new(rate: f64) -> Arc<Self> {
        let queue = Queue {
            rate: rate.max(SLOWEST),
            saved: BURST,
            saved_at: Instant::now(),
            in_flight: 0,
            waiting: VecDeque::new(),
            wakes: false,
            refusals: 0,
        };
        Arc::new(Self { queue: Mutex::new(queue), freed: Notify::new() })
    }

    /// So many turns a second from now on.
    pub(crate) fn set_rate(self: &Arc<Self>, rate: f64) {
        let mut queue = self.queue();
        queue.save();
        queue.rate = rate.max(SLOWEST);
        drop(queue);
        self.serve();
        self.freed.notify_one();
    }

    /// Waits for a turn, for somebody who waits for the answer.
    pub(crate) async fn turn(self: &Arc<Self>) -> Turn {
        let (give, given) = oneshot::channel();
        self.queue().waiting.push_back(give);
        self.serve();
        // The giver is only dropped with the limiter itself, on which nobody waits any more.
        given.await.unwrap_or(Turn(None))
    }

    /// A turn for what only the timer wants: only where there is one now that nobody waits for.
    pub(crate) fn try_turn(self: &Arc<Self>) -> Option<Turn> {
        let mut queue = self.queue();
        queue.save();
        if !queue.has_room() {
            return None;
        }
        queue.in_flight += 1;
        queue.saved -= 1.0;
        Some(Turn(Some(self.clone())))
    }

    /// Ends when [`try_turn`](Self::try_turn) may succeed.
    pub(crate) async fn room(&self) {
        loop {
            let saved_at = {
                let mut queue = self.queue();
                queue.save();
                if queue.has_room() {
                    return;
                }
                let waits_for_time = queue.waiting.is_empty() && queue.in_flight < IN_FLIGHT;
                waits_for_time.then(|| queue.next_turn())
            };
            match saved_at {
                // Somebody who waits, or a pause, may come in between.
                Some(at) => tokio::select! {
                    () = tokio::time::sleep_until(at) => {}
                    () = self.freed.notified() => {}
                },
                None => self.freed.notified().await,
            }
        }
    }

    /// The portal answered that call with 429. What Retry-After says holds for everybody; without it, several in a row do.
    pub(crate) fn refused(&self, retry_after: Option<Duration>) {
        let mut queue = self.queue();
        queue.refusals = queue.refusals.saturating_add(1);
        let in_excess = queue.refusals.saturating_sub(TOLERATED);
        let drawn = (in_excess > 0)
            .then(|| backoff(in_excess - 1, None, None, seed((queue.refusals, queue.saved_at))));
        if let Some(wait) = drawn.max(retry_after).map(|wait| wait.min(RETRY_MAX)) {
            queue.save();
            queue.saved = 0.0;
            queue.saved_at = queue.saved_at.max(Instant::now() + wait);
        }
    }

    /// The portal answered that call with something else than 429.
    pub(crate) fn answered(&self) {
        self.queue().refusals = 0;
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives out what there is; where the queue waits for time alone, a task comes back when the next turn is saved.
    fn serve(self: &Arc<Self>) {
        let mut queue = self.queue();
        queue.save();
        while queue.in_flight < IN_FLIGHT && queue.saved >= 1.0 {
            let Some(give) = queue.waiting.pop_front() else { return };
            queue.in_flight += 1;
            queue.saved -= 1.0;
            if let Err(mut unwanted) = give.send(Turn(Some(self.clone()))) {
                // Whoever waited has gone; its turn goes to the next one.
                unwanted.0 = None;
                queue.in_flight -= 1;
                queue.saved += 1.0;
            }
        }
        if !queue.waiting.is_empty() && queue.in_flight < IN_FLIGHT && !queue.wakes {
            queue.wakes = true;
            let (at, limiter) = (queue.next_turn(), self.clone());
            tokio::spawn(async move {
                tokio::time::sleep_until(at).await;
                limiter.queue().wakes = false;
                limiter.serve();
                limiter.freed.notify_one();
            });
        }
    }
}

impl Queue {
    /// Whether somebody for whom nobody waits may go out now.
    fn has_room(&self) -> bool {
        self.waiting.is_empty() && self.in_flight < IN_FLIGHT && self.saved >= 1.0
    }

    /// When the next turn is saved.
    fn next_turn(&self) -> Instant {
        self.saved_at + Duration::from_secs_f64(((1.0 - self.saved) / self.rate).max(0.001))
    }

    /// Counts what time has brought.
    fn save(&mut self) {
        let now = Instant::now();
        // While a pause lasts, time brings nothing.
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
    async fn neither_the_rate_nor_the_number_at_one_time_is_ever_exceeded() {
        let limiter = Limiter::new(10.0);
        let (at_once, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let start = Instant::now();
        let calls: Vec<_> = (0..100)
            .map(|number| {
                let (limiter, at_once, most) = (limiter.clone(), at_once.clone(), most.clone());
                tokio::spawn(async move {
                    let _turn = limiter.turn().await;
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
            // Fifteen in any second: what was saved up, and what the second brought.
            assert!(at.duration_since(began[index - 15]) >= Duration::from_millis(990), "{index}");
        }
        let taken = start.elapsed().as_secs_f64();
        assert!(taken < 100.0 / 10.0 * 1.05, "{taken} seconds for a hundred calls");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_waited_for_goes_before_what_only_the_timer_wants() {
        let limiter = Limiter::new(1.0);
        let burst: Vec<_> = std::iter::from_fn(|| limiter.try_turn()).collect();
        assert_eq!(burst.len(), IN_FLIGHT);
        drop(burst);
        // It sleeps for the next turn before anybody else does.
        let background = tokio::spawn({
            let limiter = limiter.clone();
            async move {
                loop {
                    limiter.room().await;
                    if let Some(turn) = limiter.try_turn() {
                        return (turn, Instant::now());
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
                    drop(limiter.turn().await);
                    Instant::now()
                })
            })
            .collect();
        let (_turn, background) = background.await.unwrap();
        for waited in waiting {
            assert!(waited.await.unwrap() < background, "somebody waited for it");
        }
        assert!(background - start >= Duration::from_secs(4), "{:?}", background - start);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_portal_asks_for_holds_everybody_and_whoever_left_takes_no_turn() {
        let limiter = Limiter::new(1.0);
        limiter.refused(Some(Duration::from_secs(30)));
        let start = Instant::now();
        let left = tokio::time::timeout(Duration::from_secs(1), limiter.turn()).await;
        assert!(left.is_err() && limiter.try_turn().is_none());
        drop(limiter.turn().await);
        let waited = start.elapsed();
        assert!((Duration::from_secs(30)..Duration::from_secs(32)).contains(&waited), "{waited:?}");
        assert_eq!(limiter.queue().in_flight, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_single_429_among_good_answers_holds_nobody_and_several_in_a_row_do() {
        let limiter = Limiter::new(1_000.0);
        for _ in 0..100 {
            limiter.refused(None);
            limiter.answered();
        }
        assert!(limiter.try_turn().is_some());
        for _ in 0..12 {
            limiter.refused(None);
        }
        let start = Instant::now();
        limiter.room().await;
        let waited = start.elapsed();
        assert!(
            waited >= Duration::from_secs(1) && waited <= RETRY_MAX + Duration::from_secs(1),
            "{waited:?}"
        );
    }
}
