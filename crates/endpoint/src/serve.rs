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
use tokio::sync::Semaphore;

/// What one listener allows.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at one time; more wait in the kernel's backlog.
    pub connections: usize,
    /// A request's head must be there within this.
    pub header_timeout: Duration,
    /// How long open requests may take to end after the stop.
    pub stop_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            header_timeout: Duration::from_secs(10),
            stop_timeout: Duration::from_millis(400),
        }
    }
}

/// A request's head may have this many bytes; SDKs send less than one thousand.
const HEAD_CAP: usize = 16 * 1024;

/// Serves until `stop` ends, then lets open requests end. `admit` looks at each new connection and says which
/// router answers it, or nothing, on which it is closed.
pub async fn serve<L>(
    mut listener: L,
    limits: Limits,
    admit: impl Fn(&L::Io, &L::Addr) -> Option<Router> + Send,
    stop: impl Future<Output = ()> + Send,
) where
    L: Listener,
    L::Addr: Send,
{
    let slots = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&mut listener, &slots) => accepted,
        };
        let Some((slot, connection, address)) = accepted else { break };
        let Some(router) = admit(&connection, &address) else { continue };
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
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

/// The next connection, once there is a slot for it; `None` would mean that the semaphore was closed, which
/// nobody does.
async fn accept<L: Listener>(
    listener: &mut L,
    slots: &Arc<Semaphore>,
) -> Option<(tokio::sync::OwnedSemaphorePermit, L::Io, L::Addr)> {
    let slot = slots.clone().acquire_owned().await.ok()?;
    let (connection, address) = listener.accept().await;
    Some((slot, connection, address))
}
