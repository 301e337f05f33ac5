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

/// The number of connections at the same time, for all listeners that share it.
#[derive(Clone, Debug)]
pub struct Capacity {
    own: Arc<Semaphore>,
    other_users: Arc<Semaphore>,
}

impl Capacity {
    /// The user's own connections wait when there are more than `own`. Connections of other users are closed when there are more
    /// than `other_users`, so they never use the user's share.
    pub fn new(own: usize, other_users: usize) -> Self {
        Self { own: Arc::new(Semaphore::new(own)), other_users: Arc::new(Semaphore::new(other_users)) }
    }
}

/// The time limits of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// A request's head must arrive within this time; the head of another user's request within two seconds.
    pub header_timeout: Duration,
    /// How long open requests may take to end after the stop.
    pub stop_timeout: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { header_timeout: Duration::from_secs(10), stop_timeout: Duration::from_millis(400) }
    }
}

/// What to do with a new connection.
pub enum Admission {
    /// Answer it.
    Own(Router),
    /// Answer it once, with a refusal, unless there are too many of these.
    OtherUser(Router),
    /// Close it.
    Closed,
}

/// The limit of a request's head in bytes; SDKs send less than one thousand.
const MAX_HEAD: usize = 16 * 1024;
const OTHER_USERS_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves until `stop` ends, then lets open requests end. `admit` decides about each new connection before a byte of it is read.
pub async fn serve<L>(
    mut listener: L,
    capacity: Capacity,
    timeouts: Timeouts,
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
            admitted = acquire_slot(&capacity, admit(&connection, &address)) => admitted,
        };
        let Some(Admitted { slot, router, share }) = admitted else { continue };
        let (header_timeout, keep_alive) = match share {
            Share::Own => (timeouts.header_timeout, true),
            Share::OtherUsers => (OTHER_USERS_TIMEOUT.min(timeouts.header_timeout), false),
        };
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(header_timeout)
            .keep_alive(keep_alive)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(connection), TowerToHyperService::new(router));
        let served = graceful.watch(served);
        tokio::spawn(async move {
            // A client that disconnects early, or is too slow, needs no further reaction.
            if let Err(error) = served.await {
                tracing::trace!(%error, "a connection ended early");
            }
            drop(slot);
        });
    }
    // The listener is closed first, so that no client connects to a server that no longer answers.
    drop(listener);
    if tokio::time::timeout(timeouts.stop_timeout, graceful.shutdown()).await.is_err() {
        tracing::debug!("some requests were cut off by the stop");
    }
}

/// A connection that is answered.
struct Admitted {
    /// Held as long as the connection.
    slot: OwnedSemaphorePermit,
    router: Router,
    share: Share,
}

/// Whose connections a slot is for.
enum Share {
    Own,
    OtherUsers,
}

/// Waits for a slot, or returns `None` if the connection is to be closed.
async fn acquire_slot(capacity: &Capacity, admission: Admission) -> Option<Admitted> {
    match admission {
        Admission::Own(router) => {
            let slot = capacity.own.clone().acquire_owned().await.ok()?;
            Some(Admitted { slot, router, share: Share::Own })
        }
        Admission::OtherUser(router) => {
            let slot = capacity.other_users.clone().try_acquire_owned().ok()?;
            Some(Admitted { slot, router, share: Share::OtherUsers })
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
                if *own { Admission::Own(router.clone()) } else { Admission::OtherUser(router.clone()) }
            };
            let serving = serve(
                Handed(handed),
                Capacity::new(2, 1),
                Timeouts::default(),
                admit,
                std::future::pending(),
            );
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
    async fn a_silent_or_slow_client_is_disconnected_after_ten_seconds() {
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
    async fn other_users_have_their_own_share_and_get_one_answer() {
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
    async fn the_users_connections_wait_for_a_slot() {
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
        let head = format!("GET / HTTP/1.1\r\nHost: x\r\nx: {}\r\n\r\n", "y".repeat(MAX_HEAD));
        client.write_all(head.as_bytes()).await.unwrap();
        assert!(answer(&mut client).await.contains(" 431 "));
    }
}
