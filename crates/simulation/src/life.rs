//! The life of one run of the daemon. A run can be killed at every step that the outside world can observe: the
//! request, the effect and the answer of a call, and before and after a file is replaced.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Whether a run is still alive. Clones share one state.
#[derive(Clone, Default)]
pub(crate) struct Life(Arc<LifeState>);

#[derive(Default)]
struct LifeState {
    is_dead: AtomicBool,
    steps: AtomicU64,
    /// The step at which the run dies; `None` if it dies only when it is killed.
    dies_at: Option<u64>,
}

impl Life {
    /// Creates a life that ends at the step `dies_at`; with `None`, it ends only when it is killed.
    pub(crate) fn new(dies_at: Option<u64>) -> Self {
        Self(Arc::new(LifeState { dies_at, ..LifeState::default() }))
    }

    /// Ends the run: nothing that it does afterwards has an effect.
    pub(crate) fn kill(&self) {
        self.0.is_dead.store(true, Ordering::SeqCst);
    }

    /// Returns whether the run has ended.
    pub(crate) fn is_dead(&self) -> bool {
        self.0.is_dead.load(Ordering::SeqCst)
    }

    /// Returns how many steps the run has taken.
    pub(crate) fn steps(&self) -> u64 {
        self.0.steps.load(Ordering::SeqCst)
    }

    /// Takes a step, and returns whether the run is still alive.
    pub(crate) fn step(&self) -> bool {
        let step = self.0.steps.fetch_add(1, Ordering::SeqCst) + 1;
        if Some(step) == self.0.dies_at {
            self.kill();
        }
        !self.is_dead()
    }

    /// Takes a step, and never returns if the run has ended.
    pub(crate) async fn step_or_hang(&self) {
        if !self.step() {
            std::future::pending::<()>().await;
        }
    }
}
