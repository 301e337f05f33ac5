//! One run of the daemon, from its start to its stop or its death. It can be killed at every step that has an effect outside:
//! a call's request, effect and answer, and before and after a file is replaced.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Whether this run is still alive. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Life(Arc<Inner>);

#[derive(Default)]
struct Inner {
    dead: AtomicBool,
    steps: AtomicU64,
    /// The step at which it dies, if it does not live on.
    dies_at: Option<u64>,
}

impl Life {
    /// Creates a life that ends at that step, or only when it is killed.
    pub(crate) fn new(dies_at: Option<u64>) -> Self {
        Self(Arc::new(Inner { dies_at, ..Inner::default() }))
    }

    /// Ends it: nothing that this run does afterwards has an effect.
    pub(crate) fn kill(&self) {
        self.0.dead.store(true, Ordering::SeqCst);
    }

    /// Returns whether it has ended.
    pub(crate) fn is_dead(&self) -> bool {
        self.0.dead.load(Ordering::SeqCst)
    }

    /// Returns how many steps it has taken.
    pub(crate) fn steps(&self) -> u64 {
        self.0.steps.load(Ordering::SeqCst)
    }

    /// Takes a step, and returns whether this life continues.
    pub(crate) fn step(&self) -> bool {
        let step = self.0.steps.fetch_add(1, Ordering::SeqCst) + 1;
        if Some(step) == self.0.dies_at {
            self.kill();
        }
        !self.is_dead()
    }

    /// Takes a step; never returns if this life has ended.
    pub(crate) async fn step_or_hang(&self) {
        if !self.step() {
            std::future::pending::<()>().await;
        }
    }
}
