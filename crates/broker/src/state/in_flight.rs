//! Work that runs in its own task, and how callers wait for it.

use tokio::sync::watch;

/// Waits for the end of a piece of work, successful or not.
#[derive(Clone)]
pub(crate) struct Completion(watch::Receiver<bool>);

impl Completion {
    /// Waits for the end of the work. Its outcome is in the state.
    pub(crate) async fn wait(mut self) {
        // An error means that the task panicked; the caller checks the state in either case.
        let _ = self.0.wait_for(|completed| *completed).await;
    }
}

/// Reports the end of a piece of work to all callers that wait for its [`Completion`].
pub(crate) struct Completer(watch::Sender<bool>);

impl Completer {
    /// Wakes all waiting callers.
    pub(crate) fn complete(self) {
        // An error means that no caller waits any more.
        let _ = self.0.send(true);
    }
}

/// Work in progress, and the session's generation that it was started for.
pub(crate) struct InFlight {
    completion: Completion,
    generation: u64,
}

impl InFlight {
    /// Creates the entry for work that starts now, and the handle that reports its end.
    pub(crate) fn new(generation: u64) -> (Completer, Self) {
        let (completer, completion) = watch::channel(false);
        (Completer(completer), Self { completion: Completion(completion), generation })
    }

    /// Returns what callers wait for.
    pub(crate) fn completion(&self) -> Completion {
        self.completion.clone()
    }

    /// Returns whether it was started for that generation.
    pub(crate) fn is_for(&self, generation: u64) -> bool {
        self.generation == generation
    }

    /// Returns whether its task is alive. Waiting for a task that panicked would never end.
    fn is_alive(&self) -> bool {
        self.completion.0.has_changed().is_ok()
    }
}

/// Returns whether work is in progress.
pub(crate) fn is_in_flight(work: Option<&InFlight>) -> bool {
    work.is_some_and(InFlight::is_alive)
}

/// Returns the work in progress for that generation. The result of older work is discarded, so callers do not join it.
pub(crate) fn joinable(work: Option<&InFlight>, generation: u64) -> Option<Completion> {
    work.filter(|work| work.is_alive() && work.is_for(generation)).map(InFlight::completion)
}

/// Runs the closure on drop, so a task that panics still cleans up.
pub(crate) struct OnDrop<F: FnMut()>(pub(crate) F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
