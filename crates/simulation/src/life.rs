//! One run of the daemon, from its start to its stop or its death. It can be killed at every step that the world outside
//! sees: each call's sending, its effect, its answer, and each file's writing and its being in place.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Whether this run still lives. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Life(Arc<Inner>);

#[derive(Default)]
struct Inner {
    dead: AtomicBool,
    steps: AtomicU64,
    /// The step at which it dies; 0 for none.
    dies_at: AtomicU64,
}

impl Life {
    /// A life that ends at that step; 0 for one that does not end by itself.
    pub(crate) fn that_dies_at(step: u64) -> Self {
        let life = Self::default();
        life.0.dies_at.store(step, Ordering::SeqCst);
        life
    }

    /// Ends it: what this run still does has no effect.
    pub(crate) fn kill(&self) {
        self.0.dead.store(true, Ordering::SeqCst);
    }

    /// Whether it was killed.
    pub(crate) fn is_dead(&self) -> bool {
        self.0.dead.load(Ordering::SeqCst)
    }

    /// How many steps it has taken.
    pub(crate) fn steps(&self) -> u64 {
        self.0.steps.load(Ordering::SeqCst)
    }

    /// One more step; false where this life has ended, now or before.
    pub(crate) fn step(&self) -> bool {
        let step = self.0.steps.fetch_add(1, Ordering::SeqCst) + 1;
        if step == self.0.dies_at.load(Ordering::SeqCst) {
            self.kill();
        }
        !self.is_dead()
    }

    /// The same for what can wait: the dead wait for ever.
    pub(crate) async fn go_on(&self) {
        if !self.step() {
            std::future::pending::<()>().await;
        }
    }
}
