//! Politeness towards the portal: so many calls a second, so many at one time, and whoever is waited for goes before what
//! only the timer wants.
//!
//! Its time is the monotonic one: a jump of the wall clock neither stops it nor opens the gate.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

/// Calls that may be under way at once; practitioners see 429s from about twenty a second.
const IN_FLIGHT: usize = 5;
/// However slow a person wants it, something goes on.
const SLOWEST: f64 = 0.1;

/// Gives out turns.
pub(crate) struct Limiter(Mutex<Queue>);

struct Queue {
    /// Turns a second, and as many at once after a rest.
    rate: f64,
    saved: f64,
    saved_at: Instant,
    in_flight: usize,
    /// By the order of their coming; those that somebody waits for, and the others.
    waited_for: BTreeMap<u64, oneshot::Sender<Turn>>,
    others: BTreeMap<u64, oneshot::Sender<Turn>>,
    last: u64,
    /// A task sleeps until the next turn is saved.
    wakes: bool,
}

/// One piece of work's place in the queue; it can be moved up.
#[derive(Debug, Default)]
pub(crate) struct Ticket {
    waited_for: AtomicBool,
    number: AtomicU64,
}

impl Ticket {
    /// For work that somebody waits for from the start.
    pub(crate) fn waited_for() -> Arc<Self> {
        Arc::new(Self { waited_for: AtomicBool::new(true), ..Self::default() })
    }
}

/// The right to make one call; it ends with this.
pub(crate) struct Turn(Option<Arc<Limiter>>);

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(limiter) = self.0.take() {
            limiter.queue().in_flight -= 1;
            limiter.serve();
        }
    }
}

impl Limiter {
    pub(crate) fn new(rate: f64) -> Arc<Self> {
        let rate = rate.max(SLOWEST);
        Arc::new(Self(Mutex::new(Queue {
            rate,
            saved: rate.max(1.0),
            saved_at: Instant::now(),
            in_flight: 0,
            waited_for: BTreeMap::new(),
            others: BTreeMap::new(),
            last: 0,
            wakes: false,
        })))
    }

    /// So many turns a second from now on.
    pub(crate) fn set_rate(self: &Arc<Self>, rate: f64) {
        let mut queue = self.queue();
        queue.save();
        queue.rate = rate.max(SLOWEST);
        queue.saved = queue.saved.min(queue.most());
        drop(queue);
        self.serve();
    }

    /// Waits for a turn.
    pub(crate) async fn turn(self: &Arc<Self>, ticket: &Ticket) -> Turn {
        let (give, given) = oneshot::channel();
        {
            let mut queue = self.queue();
            queue.last += 1;
            let number = queue.last;
            ticket.number.store(number, Ordering::SeqCst);
            let waited_for = ticket.waited_for.load(Ordering::SeqCst);
            let line = if waited_for { &mut queue.waited_for } else { &mut queue.others };
            line.insert(number, give);
        }
        self.serve();
        // The giver is only dropped with the limiter itself, on which nobody waits any more.
        given.await.unwrap_or(Turn(None))
    }

    /// Somebody waits for it now: it goes before what only the timer wants.
    pub(crate) fn hurry(&self, ticket: &Ticket) {
        let mut queue = self.queue();
        ticket.waited_for.store(true, Ordering::SeqCst);
        let number = ticket.number.load(Ordering::SeqCst);
        if let Some(give) = queue.others.remove(&number) {
            queue.waited_for.insert(number, give);
        }
    }

    /// The portal asked everybody to slow down: nothing goes out for so long.
    pub(crate) fn pause(&self, wait: Duration) {
        let mut queue = self.queue();
        queue.save();
        queue.saved = 0.0;
        queue.saved_at = queue.saved_at.max(Instant::now() + wait);
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives out what there is; where the queue waits for time alone, a task comes back when the next turn is saved.
    fn serve(self: &Arc<Self>) {
        let mut queue = self.queue();
        queue.save();
        while queue.in_flight < IN_FLIGHT && queue.saved >= 1.0 {
            let Some(give) = queue.next() else { return };
            queue.in_flight += 1;
            queue.saved -= 1.0;
            if let Err(mut unwanted) = give.send(Turn(Some(self.clone()))) {
                // Whoever waited has gone; its turn goes to the next one.
                unwanted.0 = None;
                queue.in_flight -= 1;
                queue.saved += 1.0;
            }
        }
        let waits = !queue.waited_for.is_empty() || !queue.others.is_empty();
        if waits && queue.in_flight < IN_FLIGHT && !queue.wakes {
            queue.wakes = true;
            let at = queue.saved_at + Duration::from_secs_f64(((1.0 - queue.saved) / queue.rate).max(0.001));
            let limiter = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep_until(at).await;
                limiter.queue().wakes = false;
                limiter.serve();
            });
        }
    }
}

impl Queue {
    fn most(&self) -> f64 {
        self.rate.max(1.0)
    }

    /// Counts what time has brought.
    fn save(&mut self) {
        let now = Instant::now();
        // While a pause lasts, time brings nothing.
        let passed = now.saturating_duration_since(self.saved_at);
        if !passed.is_zero() {
            self.saved = (self.saved + passed.as_secs_f64() * self.rate).min(self.most());
            self.saved_at = now;
        }
    }

    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        let (_, give) = self.waited_for.pop_first().or_else(|| self.others.pop_first())?;
        Some(give)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// Starts a call that takes that long, and notes its name when it begins.
    fn call(
        limiter: &Arc<Limiter>,
        ticket: &Arc<Ticket>,
        name: &'static str,
        takes: Duration,
        begun: &Arc<Mutex<Vec<(&'static str, Instant)>>>,
    ) {
        let (limiter, ticket, begun) = (limiter.clone(), ticket.clone(), begun.clone());
        tokio::spawn(async move {
            let _turn = limiter.turn(&ticket).await;
            begun.lock().unwrap().push((name, Instant::now()));
            tokio::time::sleep(takes).await;
        });
    }

    #[tokio::test(start_paused = true)]
    async fn neither_the_rate_nor_the_number_at_one_time_is_ever_exceeded() {
        let limiter = Limiter::new(10.0);
        let (at_once, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let start = Instant::now();
        let calls: Vec<_> = (0..100)
            .map(|number| {
                let (limiter, at_once, most) = (limiter.clone(), at_once.clone(), most.clone());
                tokio::spawn(async move {
                    let _turn = limiter.turn(&Ticket::default()).await;
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
        for (index, at) in began.iter().enumerate().skip(20) {
            // Twenty in any second: what was saved up, and what the second brought.
            assert!(at.duration_since(began[index - 20]) >= Duration::from_millis(990), "{index}");
        }
        let taken = start.elapsed().as_secs_f64();
        assert!(taken < 100.0 / 10.0 * 1.05, "{taken} seconds for a hundred calls");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_waited_for_goes_first_and_can_be_moved_up() {
        let limiter = Limiter::new(1.0);
        let begun = Arc::new(Mutex::new(Vec::new()));
        let timer: Vec<_> = (0..4).map(|_| Arc::new(Ticket::default())).collect();
        for (ticket, name) in timer.iter().zip(["first", "second", "third", "joined"]) {
            call(&limiter, ticket, name, Duration::ZERO, &begun);
        }
        tokio::task::yield_now().await;
        call(&limiter, &Ticket::waited_for(), "asked", Duration::ZERO, &begun);
        tokio::task::yield_now().await;
        limiter.hurry(&timer[3]);
        tokio::time::sleep(Duration::from_secs(10)).await;
        let order: Vec<_> = begun.lock().unwrap().iter().map(|(name, _)| *name).collect();
        assert_eq!(order, ["first", "joined", "asked", "second", "third"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_everybody_and_whoever_left_takes_no_turn() {
        let limiter = Limiter::new(1.0);
        let begun = Arc::new(Mutex::new(Vec::new()));
        limiter.pause(Duration::from_secs(30));
        let start = Instant::now();
        let left = tokio::time::timeout(Duration::from_secs(1), limiter.turn(&Ticket::default())).await;
        assert!(left.is_err());
        call(&limiter, &Ticket::waited_for(), "after", Duration::ZERO, &begun);
        tokio::time::sleep(Duration::from_mins(1)).await;
        let waited = begun.lock().unwrap()[0].1.duration_since(start);
        assert!((Duration::from_secs(30)..Duration::from_secs(32)).contains(&waited), "{waited:?}");
        assert_eq!(limiter.queue().in_flight, 0);
    }
}
