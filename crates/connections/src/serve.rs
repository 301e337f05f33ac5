//! The connection loop: hyper with the limits that `axum::serve` lacks.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;

use crate::capacity::{Capacity, Slot};
use crate::deadlines::WriteDeadline;
use crate::handler::Handler;
use crate::proof::{CallerProof, Proof};
use crate::request::{BodyRule, Requests, respond};

/// The rules for the connections of one listener.
#[derive(Clone, Debug)]
pub struct ConnectionRules {
    /// How many connections there may be. Listeners may share it.
    pub capacity: Capacity,
    /// How long each step may take.
    pub timeouts: Timeouts,
    /// What a connection of this user must show before it may use the user's whole share.
    pub proof: Proof,
}

/// The time limits of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// How long a request's head may take to arrive, and how long a connection may be idle before its next request.
    /// For another user the limit is at most two seconds.
    pub header_timeout: Duration,
    /// How long a request's body may take to arrive after its head.
    pub body_timeout: Duration,
    /// How long the caller may take to read an answer that does not fit into the connection. For another user the
    /// limit is at most two seconds.
    pub write_timeout: Duration,
    /// How long requests in progress may take to end after the stop.
    pub stop_timeout: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
            stop_timeout: Duration::from_millis(400),
        }
    }
}

/// What to do with a new connection.
pub enum Admission<H> {
    /// Answer it.
    Own(H),
    /// Answer it once, with a refusal, unless there are too many of these.
    OtherUser(H),
    /// Close it.
    Closed,
}

/// The limit for a request's head. SDKs send less than one thousand bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;
const OTHER_USERS_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves until `stop` completes, then lets requests in progress end. `admit` decides about each new connection before
/// a byte of it is read.
pub async fn serve<L, H>(
    mut listener: L,
    rules: ConnectionRules,
    admit: impl Fn(&L::Io, &L::Addr) -> Admission<H> + Send,
    stop: impl Future<Output = ()> + Send,
) where
    L: Listener,
    L::Addr: Send,
    H: Handler,
{
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        // If the process has no free file descriptor, the listener itself waits before it tries again.
        let (connection, address) = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        let admitted = tokio::select! {
            () = &mut stop => break,
            admitted = acquire_slot(&rules.capacity, admit(&connection, &address)) => admitted,
        };
        let Some(Admitted { slot, handler, share }) = admitted else { continue };
        let limits = share.limits(rules.timeouts);
        let (body, proof) = (limits.body, rules.proof);
        let requests = Arc::new(Requests { handler, slot: CallerProof::new(slot.clone()), body, proof });
        let connection = TokioIo::new(WriteDeadline::new(connection, limits.write));
        let service = service_fn(move |request| respond(requests.clone(), request));
        let served = graceful.watch(limits.http1().serve_connection(connection, service));
        tokio::spawn(async move {
            tokio::select! {
                served = served => if let Err(error) = served {
                    // A client that disconnects early or is too slow is normal.
                    tracing::trace!(%error, "a connection ended early");
                },
                () = slot.closed() => tracing::debug!("an idle connection gave its slot to another one"),
            }
        });
    }
    // The listener is closed first, so that no client connects to a server that no longer answers.
    drop(listener);
    if tokio::time::timeout(rules.timeouts.stop_timeout, graceful.shutdown()).await.is_err() {
        tracing::debug!("some requests were cut off by the stop");
    }
}

/// A connection that has a slot.
struct Admitted<H> {
    slot: Slot,
    handler: H,
    share: Share,
}

/// The part of the capacity that a slot belongs to.
#[derive(Clone, Copy)]
enum Share {
    Own,
    OtherUsers,
}

/// The limits of one connection.
struct Limits {
    header: Duration,
    body: BodyRule,
    write: Duration,
    keep_alive: bool,
}

impl Share {
    fn limits(self, timeouts: Timeouts) -> Limits {
        let Timeouts { header_timeout, body_timeout, write_timeout, .. } = timeouts;
        match self {
            Self::Own => Limits {
                header: header_timeout,
                body: BodyRule::Within(body_timeout),
                write: write_timeout,
                keep_alive: true,
            },
            Self::OtherUsers => Limits {
                header: OTHER_USERS_TIMEOUT.min(header_timeout),
                body: BodyRule::Ignored,
                write: OTHER_USERS_TIMEOUT.min(write_timeout),
                keep_alive: false,
            },
        }
    }
}

impl Limits {
    fn http1(&self) -> http1::Builder {
        let mut settings = http1::Builder::new();
        settings
            .timer(TokioTimer::new())
            .header_read_timeout(self.header)
            .keep_alive(self.keep_alive)
            .max_buf_size(MAX_HEAD_BYTES);
        settings
    }
}

/// Waits for a slot, or returns `None` if the connection is to be closed.
async fn acquire_slot<H>(capacity: &Capacity, admission: Admission<H>) -> Option<Admitted<H>> {
    match admission {
        Admission::Own(handler) => {
            Some(Admitted { slot: capacity.admit_own().await?, handler, share: Share::Own })
        }
        Admission::OtherUser(handler) => {
            Some(Admitted { slot: capacity.admit_other_user()?, handler, share: Share::OtherUsers })
        }
        Admission::Closed => None,
    }
}

#[cfg(test)]
mod tests;
