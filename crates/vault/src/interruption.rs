//! The points at which a test can end the work as `kill -9` would: nothing after the point is done. In the daemon they do
//! nothing.

/// A point before a step that changes a file or a key store.
#[cfg(not(test))]
pub(crate) const fn point() {}

#[cfg(test)]
pub(crate) use for_tests::{completes, point};

#[cfg(test)]
mod for_tests {
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

    thread_local! {
        /// The number of points that are still passed; `None` if all are.
        static REMAINING: Cell<Option<usize>> = const { Cell::new(None) };
    }

    struct Interrupted;

    pub(crate) fn point() {
        match REMAINING.get() {
            Some(0) => resume_unwind(Box::new(Interrupted)),
            remaining => REMAINING.set(remaining.map(|remaining| remaining - 1)),
        }
    }

    /// Runs the work up to its point with that number, counted from 0, and returns whether it has no such point and so
    /// is complete.
    pub(crate) fn completes(points: usize, work: impl FnOnce()) -> bool {
        REMAINING.set(Some(points));
        let outcome = catch_unwind(AssertUnwindSafe(work));
        REMAINING.set(None);
        match outcome {
            Ok(()) => true,
            Err(panic) if panic.is::<Interrupted>() => false,
            Err(panic) => resume_unwind(panic),
        }
    }
}
