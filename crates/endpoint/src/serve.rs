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

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio::sync::mpsc;

    use super::*;

    /// Connections that a test hands over.
    struct Handed(mpsc::Receiver<(DuplexStream, bool)>);

    impl Listener for Handed {
        type Io = DuplexStream;
        type Addr = bool;

        async fn accept(&mut self) -> (DuplexStream, bool) {
            match self.0.recv().await {
                Some(connection) => connection,
                None => std::future::pending().await,
            }
        }

        fn local_addr(&self) -> std::io::Result<bool> {
            Ok(true)
        }
    }

    /// A server with room for two of the user's own connections and one of a stranger's.
    struct Served(mpsc::Sender<(DuplexStream, bool)>);

    impl Served {
        fn start() -> Self {
            let (hand, handed) = mpsc::channel(16);
            let router = Router::new().route("/", get(async || "here"));
            let admit = move |_: &DuplexStream, own: &bool| {
                if *own { Admission::Own(router.clone()) } else { Admission::Stranger(router.clone()) }
            };
            let serving =
                serve(Handed(handed), Capacity::new(2, 1), Limits::default(), admit, std::future::pending());
            tokio::spawn(serving);
            Self(hand)
        }

        async fn connect(&self, own: bool) -> DuplexStream {
            let (client, server) = tokio::io::duplex(64 * 1024);
            self.0.send((server, own)).await.unwrap();
            client
        }
    }

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    async fn answer(client: &mut DuplexStream) -> String {
        let mut bytes = vec![0; 1_024];
        let read = client.read(&mut bytes).await.unwrap_or(0);
        String::from_utf8_lossy(&bytes[..read]).into_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_says_nothing_or_says_it_slowly_is_hung_up_on_after_ten_seconds() {
        let served = Served::start();
        let begun = tokio::time::Instant::now();
        let mut silent = served.connect(true).await;
        assert_eq!(answer(&mut silent).await, "", "hung up");
        let mut slow = served.connect(true).await;
        for byte in REQUEST {
            if slow.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert!(!answer(&mut slow).await.contains("200 OK"));
        assert!(begun.elapsed() < Duration::from_mins(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stranger_has_one_share_and_one_answer_and_takes_nobodys_place() {
        let served = Served::start();
        let mut first = served.connect(false).await;
        first.write_all(REQUEST).await.unwrap();
        assert!(answer(&mut first).await.contains("connection: close"));
        let _kept = served.connect(false).await;
        let begun = tokio::time::Instant::now();
        let mut too_many = served.connect(false).await;
        assert_eq!(answer(&mut too_many).await, "");
        assert!(begun.elapsed() < Duration::from_secs(1), "closed at once, not for its silence");
        let mut own = served.connect(true).await;
        own.write_all(REQUEST).await.unwrap();
        assert!(answer(&mut own).await.ends_with("here"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_users_own_wait_for_room_and_get_it() {
        let served = Served::start();
        let _idle = [served.connect(true).await, served.connect(true).await];
        let mut third = served.connect(true).await;
        third.write_all(REQUEST).await.unwrap();
        assert!(answer(&mut third).await.ends_with("here"), "after the idle ones were hung up on");
    }

    #[tokio::test]
    async fn a_head_larger_than_any_sdks_is_refused() {
        let served = Served::start();
        let mut client = served.connect(true).await;
        let head = format!("GET / HTTP/1.1\r\nHost: x\r\nx: {}\r\n\r\n", "y".repeat(HEAD_CAP));
        client.write_all(head.as_bytes()).await.unwrap();
        assert!(answer(&mut client).await.contains(" 431 "));
    }
}
