//! The connection loop: hyper with the limits that `axum::serve` lacks.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many connections there may be at one time, for all listeners that share it.
#[derive(Clone, Debug)]
pub struct Capacity {
    own: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
}

impl Capacity {
    /// So many of the user's own, on whose end more of them wait, and so many of others, above which theirs are closed as
    /// they come: nobody else takes up the user's share.
    pub fn new(own: usize, strangers: usize) -> Self {
        Self { own: Arc::new(Semaphore::new(own)), strangers: Arc::new(Semaphore::new(strangers)) }
    }
}

/// The patience with one connection.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A request's head must be there within this; the head of a stranger's within two seconds.
    pub header_timeout: Duration,
    /// How long open requests may take to end after the stop.
    pub stop_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { header_timeout: Duration::from_secs(10), stop_timeout: Duration::from_millis(400) }
    }
}

/// What is done with a new connection.
pub enum Admission {
    /// It is answered.
    Own(Router),
    /// It is answered once (with a refusal), if not too many of its like are.
    Stranger(Router),
    /// It is closed.
    Closed,
}

/// A request's head may have this many bytes; SDKs send less than one thousand.
const HEAD_CAP: usize = 16 * 1024;
const STRANGERS_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves until `stop` ends, then lets open requests end. `admit` looks at each new connection before a byte of it is read.
pub async fn serve<L>(
    mut listener: L,
    capacity: Capacity,
    limits: Limits,
    admit: impl Fn(&L::Io, &L::Addr) -> Admission + Send,
    stop: impl Future<Output = ()> + Send,
) where
    L: Listener,
    L::Addr: Send,
{
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        // Running out of descriptors makes the listener itself wait a moment.
        let (connection, address) = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        let admitted = tokio::select! {
            () = &mut stop => break,
            admitted = place(&capacity, admit(&connection, &address)) => admitted,
        };
        let Some((slot, router, is_own)) = admitted else { continue };
        let timeout =
            if is_own { limits.header_timeout } else { STRANGERS_TIMEOUT.min(limits.header_timeout) };
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(timeout)
            .keep_alive(is_own)
            .max_buf_size(HEAD_CAP)
            .serve_connection(TokioIo::new(connection), TowerToHyperService::new(router));
        let served = graceful.watch(served);
        tokio::spawn(async move {
            // A client that breaks off, or is too slow, is its own problem.
            if let Err(error) = served.await {
                tracing::trace!(%error, "a connection ended early");
            }
            drop(slot);
        });
    }
    // The listener goes first, so that nobody connects to a server that no longer answers.
    drop(listener);
    if tokio::time::timeout(limits.stop_timeout, graceful.shutdown()).await.is_err() {
        tracing::debug!("some requests were cut off by the stop");
    }
}

/// The connection's slot, its router, and whether it is the user's own; `None` where it is to be closed.
async fn place(capacity: &Capacity, admission: Admission) -> Option<(OwnedSemaphorePermit, Router, bool)> {
    match admission {
        Admission::Own(router) => Some((capacity.own.clone().acquire_owned().await.ok()?, router, true)),
        Admission::Stranger(router) => {
            Some((capacity.strangers.clone().try_acquire_owned().ok()?, router, false))
        }
        Admission::Closed => None,
    }
}
