//! The slots of all connections, and which connections are closed when a new one needs a slot.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// While a new connection waits for a slot, a connection without proof is closed if its caller has sent no request for
/// this long. A program that has something to ask sends it at once.
const MAX_IDLE: Duration = Duration::from_millis(30);
/// While a new connection waits for a slot, a connection is closed if it is older than this and has no proof, however
/// many requests it sends.
const MAX_AGE: Duration = Duration::from_millis(100);
/// How often a new connection that waits for a slot checks which connections can be closed.
const CHECK_INTERVAL: Duration = Duration::from_millis(5);

/// How many connections each kind of caller may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// All connections of this user. If more arrive, they wait.
    pub own: usize,
    /// The part of them that may be without proof. If more arrive, the idle ones are closed.
    pub unproven: usize,
    /// Connections of other users. If more arrive, they are closed at once.
    pub other_users: usize,
}

/// The number of connections at the same time, for all listeners that share it.
#[derive(Clone, Debug)]
pub struct Capacity {
    own: Arc<Semaphore>,
    unproven: Arc<Semaphore>,
    other_users: Arc<Semaphore>,
    waiting: Arc<UnprovenConnections>,
}

impl Capacity {
    /// Returns a capacity with these shares.
    pub fn new(shares: Shares) -> Self {
        let slots = |count| Arc::new(Semaphore::new(count));
        Self {
            own: slots(shares.own),
            unproven: slots(shares.unproven),
            other_users: slots(shares.other_users),
            waiting: Arc::default(),
        }
    }

    /// Waits for a slot for a connection of this user, and closes connections without proof if there is none.
    pub(crate) async fn admit_own(&self) -> Option<Slot> {
        let both = async {
            let own = self.own.clone().acquire_owned().await.ok()?;
            Some((own, self.unproven.clone().acquire_owned().await.ok()?))
        };
        let mut both = std::pin::pin!(both);
        loop {
            tokio::select! {
                biased;
                slots = &mut both => {
                    let (own, unproven) = slots?;
                    return Some(Slot::unproven(own, unproven, self.waiting.clone()));
                }
                () = tokio::time::sleep(CHECK_INTERVAL) => self.waiting.close_stale(Instant::now()),
            }
        }
    }

    /// Returns a slot for a connection of another user, or `None` if it is to be closed.
    pub(crate) fn admit_other_user(&self) -> Option<Slot> {
        let permit = self.other_users.clone().try_acquire_owned().ok()?;
        Some(Slot { connection: Arc::new(SlotInner { _permit: permit, unproven: None }) })
    }
}

/// The slot of one connection, which is free again when the last clone is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    connection: Arc<SlotInner>,
}

#[derive(Debug)]
struct SlotInner {
    _permit: OwnedSemaphorePermit,
    /// `None` for another user's connection, which never gets a proof.
    unproven: Option<Unproven>,
}

/// A connection's place among those without proof.
#[derive(Debug)]
struct Unproven {
    id: u64,
    state: Arc<UnprovenState>,
    all: Arc<UnprovenConnections>,
}

impl Slot {
    fn unproven(
        own: OwnedSemaphorePermit,
        unproven: OwnedSemaphorePermit,
        all: Arc<UnprovenConnections>,
    ) -> Self {
        let now = Instant::now();
        let state = UnprovenState {
            since: now,
            is_proven: AtomicBool::new(false),
            activity: Mutex::new(Activity::IdleSince(now)),
            permit: Mutex::new(Some(unproven)),
            closed: Notify::new(),
        };
        let state = Arc::new(state);
        let id = all.add(state.clone());
        Self { connection: Arc::new(SlotInner { _permit: own, unproven: Some(Unproven { id, state, all }) }) }
    }

    /// Moves the connection out of the share of those without proof. Further calls change nothing.
    pub(crate) fn prove(&self) {
        let Some(unproven) = self.unproven_now() else { return };
        unproven.state.is_proven.store(true, Ordering::Relaxed);
        if lock(&unproven.state.permit).take().is_some() {
            unproven.all.remove(unproven.id);
        }
    }

    /// Records that a request begins, during which the connection is not closed for another one.
    pub(crate) fn begin_request(&self) {
        if let Some(unproven) = self.unproven_now() {
            *lock(&unproven.state.activity) = Activity::InRequest;
        }
    }

    /// Records that a request has ended.
    pub(crate) fn end_request(&self) {
        if let Some(unproven) = self.unproven_now() {
            *lock(&unproven.state.activity) = Activity::IdleSince(Instant::now());
        }
    }

    /// Returns the connection's place among those without proof, unless it has its proof. Only such a connection can be
    /// closed for another one, so the requests of all others take no lock here.
    fn unproven_now(&self) -> Option<&Unproven> {
        let unproven = self.connection.unproven.as_ref()?;
        (!unproven.state.is_proven.load(Ordering::Relaxed)).then_some(unproven)
    }

    /// Ends when the connection is to be closed, because another one needs its slot.
    pub(crate) async fn closed(&self) {
        match &self.connection.unproven {
            Some(unproven) => unproven.state.closed.notified().await,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Unproven {
    fn drop(&mut self) {
        self.all.remove(self.id);
    }
}

/// What is known about a connection without proof.
#[derive(Debug)]
struct UnprovenState {
    since: Instant,
    /// Whether the connection has shown its proof. It never loses it.
    is_proven: AtomicBool,
    activity: Mutex<Activity>,
    /// `None` once the connection has its proof.
    permit: Mutex<Option<OwnedSemaphorePermit>>,
    closed: Notify,
}

#[derive(Clone, Copy, Debug)]
enum Activity {
    InRequest,
    IdleSince(Instant),
}

impl UnprovenState {
    fn is_stale(&self, now: Instant) -> bool {
        match *lock(&self.activity) {
            Activity::InRequest => false,
            Activity::IdleSince(idle) => {
                now.duration_since(idle) >= MAX_IDLE || now.duration_since(self.since) >= MAX_AGE
            }
        }
    }
}

/// All connections without proof, the oldest first.
#[derive(Debug, Default)]
struct UnprovenConnections {
    next_id: AtomicU64,
    connections: Mutex<BTreeMap<u64, Arc<UnprovenState>>>,
}

impl UnprovenConnections {
    fn add(&self, state: Arc<UnprovenState>) -> u64 {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        lock(&self.connections).insert(id, state);
        id
    }

    fn remove(&self, id: u64) {
        lock(&self.connections).remove(&id);
    }

    /// Closes the connections whose callers have had their time.
    fn close_stale(&self, now: Instant) {
        for (_, state) in lock(&self.connections).extract_if(.., |_, state| state.is_stale(now)) {
            state.closed.notify_one();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
