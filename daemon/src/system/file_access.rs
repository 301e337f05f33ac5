//! Access to the user's files, which may be on a file system that does not answer: a network home, or a folder that a
//! program serves.
//!
//! Each access runs on a thread of its own, which no other work waits for: not the runtime, and not the stop. Each file
//! has at most one such thread, so a file system that does not answer costs one thread for each file that ssod reads.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, mpsc};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

/// How long an access may take.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(5);

/// The lanes of the whole process.
static LANES: LazyLock<Lanes> = LazyLock::new(|| Lanes::new(TIME_LIMIT));

/// Accesses the file on a thread of its own; accesses to one file run one after another. The error is `TimedOut` if the
/// file system does not answer within [`TIME_LIMIT`], or at once while an earlier access has no answer yet.
pub(crate) async fn access<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    LANES.access(path, work).await
}

/// Does the same before there is a runtime.
pub(crate) fn access_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new().name("file".to_owned()).spawn(move || sender.send(work()))?;
    receiver.recv_timeout(TIME_LIMIT).map_err(|_| stalled())
}

/// Returns whether the error is that of a file system that does not answer, so that the access must be repeated later.
pub(crate) fn is_stalled(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::TimedOut
}

/// Whether a file system answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileAnswer {
    /// It did, perhaps with an error.
    Answered,
    /// It did not within the time limit, so the file must be accessed again later.
    Stalled,
}

impl FileAnswer {
    /// Returns the kind of that outcome.
    pub(crate) fn of<T>(outcome: &io::Result<T>) -> Self {
        match outcome {
            Err(error) if is_stalled(error) => Self::Stalled,
            _ => Self::Answered,
        }
    }
}

fn stalled() -> io::Error {
    let message = format!("its file system did not answer within {} seconds", TIME_LIMIT.as_secs());
    io::Error::new(io::ErrorKind::TimedOut, message)
}

/// The files that are or were accessed; only those that the settings and the paths name.
struct Lanes {
    time_limit: Duration,
    lanes: Mutex<BTreeMap<PathBuf, Lane>>,
}

/// The order of the accesses to one file.
#[derive(Clone, Default)]
struct Lane {
    /// Held by the thread that accesses the file.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Whether that thread has exceeded the time limit.
    is_stalled: Arc<AtomicBool>,
}

impl Lanes {
    fn new(time_limit: Duration) -> Self {
        Self { time_limit, lanes: Mutex::default() }
    }

    async fn access<T: Send + 'static>(
        &self,
        path: &Path,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let lane = self.lane(path);
        if lane.is_stalled.load(Ordering::SeqCst) {
            return Err(stalled());
        }
        let deadline = Instant::now() + self.time_limit;
        let turn = tokio::time::timeout_at(deadline, lane.turn.lock_owned()).await.map_err(|_| stalled())?;
        let (sender, receiver) = oneshot::channel();
        let (is_stalled, is_finished) = (lane.is_stalled, Arc::new(AtomicBool::new(false)));
        let (stalled_flag, finished_flag) = (is_stalled.clone(), is_finished.clone());
        std::thread::Builder::new().name("file".to_owned()).spawn(move || {
            let outcome = work();
            finished_flag.store(true, Ordering::SeqCst);
            stalled_flag.store(false, Ordering::SeqCst);
            drop(turn);
            // After the time limit there is no receiver, and the outcome is dropped.
            let _ = sender.send(outcome);
        })?;
        if let Ok(outcome) = tokio::time::timeout_at(deadline, receiver).await {
            return outcome.map_err(|_| io::Error::other("the access to it panicked"));
        }
        is_stalled.store(true, Ordering::SeqCst);
        // The thread may have ended at this moment.
        if is_finished.load(Ordering::SeqCst) {
            is_stalled.store(false, Ordering::SeqCst);
        }
        Err(stalled())
    }

    fn lane(&self, path: &Path) -> Lane {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.entry(path.to_owned()).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    const PATH: &str = "/stalled/file";

    /// Starts a read that does not return until the sender is dropped.
    fn endless(started: &Arc<AtomicUsize>) -> (mpsc::Sender<()>, impl FnOnce() + Send + 'static) {
        let ((sender, receiver), started) = (mpsc::channel::<()>(), started.clone());
        let read = move || {
            started.fetch_add(1, Ordering::SeqCst);
            let _ = receiver.recv();
        };
        (sender, read)
    }

    #[tokio::test]
    async fn a_read_that_never_returns_ends_at_its_time_limit_and_is_not_repeated_meanwhile() {
        let (lanes, started) = (Lanes::new(Duration::from_millis(200)), Arc::new(AtomicUsize::new(0)));
        let (release, read) = endless(&started);
        let begun = Instant::now();
        let error = lanes.access(Path::new(PATH), read).await.unwrap_err();
        assert!(is_stalled(&error) && begun.elapsed() >= lanes.time_limit, "{error}");
        assert_eq!(error.to_string(), "its file system did not answer within 5 seconds");
        let begun = Instant::now();
        for _ in 0..1_000 {
            let (_release, read) = endless(&started);
            assert!(is_stalled(&lanes.access(Path::new(PATH), read).await.unwrap_err()));
        }
        assert!(begun.elapsed() < 100 * lanes.time_limit, "the file is known to be stalled");
        assert_eq!(started.load(Ordering::SeqCst), 1, "one thread for the file");
        assert_eq!(lanes.access(Path::new("/other"), || 7).await.unwrap(), 7);
        drop(release);
        while lanes.access(Path::new(PATH), || ()).await.is_err() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[tokio::test]
    async fn accesses_to_one_file_run_one_after_another() {
        let (lanes, running) = (Lanes::new(TIME_LIMIT), Arc::new(AtomicUsize::new(0)));
        let one = || {
            let running = running.clone();
            lanes.access(Path::new(PATH), move || {
                assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0);
                std::thread::sleep(Duration::from_millis(5));
                running.fetch_sub(1, Ordering::SeqCst);
            })
        };
        for outcome in futures_util::future::join_all([one(), one(), one()]).await {
            outcome.unwrap();
        }
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_leaves_the_file_usable() {
        let lanes = Lanes::new(TIME_LIMIT);
        let panicking = || std::panic::resume_unwind(Box::new(()));
        assert!(lanes.access::<()>(Path::new(PATH), panicking).await.is_err());
        assert_eq!(lanes.access(Path::new(PATH), || 1).await.unwrap(), 1);
    }
}
