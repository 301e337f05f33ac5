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
    /// Returns a capacity of `own` connections of the user, above which they wait, and `other_users` connections of
    /// other users, above which they are closed. So other users never take slots from the user.
    pub fn new(own: usize, other_users: usize) -> Self {
        Self { own: Arc::new(Semaphore::new(own)), other_users: Arc::new(Semaphore::new(other_users)) }
    }
}

/// The time limits of one connection.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// How long a request's head may take to arrive. For another user's request the limit is at most two seconds.
    pub header_timeout: Duration,
    /// How long requests in progress may take to end after the stop.
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

/// The limit for a request's head. SDKs send less than one thousand bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;
const OTHER_USERS_TIMEOUT: Duration = Duration::from_secs(2);

/// Serves until `stop` completes, then lets requests in progress end. `admit` decides about each new connection before
/// a byte of it is read.
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
        // If the process has no free file descriptor, the listener itself waits before it tries again.
        let (connection, address) = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        let admitted = tokio::select! {
            () = &mut stop => break,
            admitted = acquire_slot(&capacity, admit(&connection, &address)) => admitted,
        };
        let Some(Admitted { slot, router, share }) = admitted else { continue };
        let served = http1_settings(&share, timeouts)
            .serve_connection(TokioIo::new(connection), TowerToHyperService::new(router));
        let served = graceful.watch(served);
        tokio::spawn(async move {
            // A client that disconnects early or is too slow is normal.
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

fn http1_settings(share: &Share, timeouts: Timeouts) -> http1::Builder {
    let (header_timeout, keep_alive) = match share {
        Share::Own => (timeouts.header_timeout, true),
        Share::OtherUsers => (OTHER_USERS_TIMEOUT.min(timeouts.header_timeout), false),
    };
    let mut settings = http1::Builder::new();
    settings
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .keep_alive(keep_alive)
        .max_buf_size(MAX_HEAD_BYTES);
    settings
}

/// A connection that has a slot.
struct Admitted {
    /// Released when the connection ends.
    slot: OwnedSemaphorePermit,
    router: Router,
    share: Share,
}

/// The part of the capacity that a slot belongs to.
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

    /// Accepts the connections that a test sends to it.
    struct ChannelListener(mpsc::Receiver<(DuplexStream, bool)>);

    impl Listener for ChannelListener {
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

    /// A server with slots for two connections of the user and one of another user.
    struct TestServer(mpsc::Sender<(DuplexStream, bool)>);

    impl TestServer {
        fn start() -> Self {
            let (sender, receiver) = mpsc::channel(16);
            let router = Router::new().route("/", get(async || "here"));
            let admit = move |_: &DuplexStream, own: &bool| {
                if *own { Admission::Own(router.clone()) } else { Admission::OtherUser(router.clone()) }
            };
            let serving = serve(
                ChannelListener(receiver),
                Capacity::new(2, 1),
                Timeouts::default(),
                admit,
                std::future::pending(),
            );
            tokio::spawn(serving);
            Self(sender)
        }

        async fn connect(&self, own: bool) -> DuplexStream {
            let (client, connection) = tokio::io::duplex(64 * 1024);
            self.0.send((connection, own)).await.unwrap();
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
        let server = TestServer::start();
        let start = tokio::time::Instant::now();
        let mut silent = server.connect(true).await;
        assert_eq!(answer(&mut silent).await, "", "the server closed the connection");
        let mut slow = server.connect(true).await;
        for byte in REQUEST {
            if slow.write_all(&[*byte]).await.is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert!(!answer(&mut slow).await.contains("200 OK"));
        assert!(start.elapsed() < Duration::from_mins(1));
    }

    #[tokio::test(start_paused = true)]
    async fn other_users_have_their_own_share_and_get_one_answer() {
        let server = TestServer::start();
        let mut first = server.connect(false).await;
        first.write_all(REQUEST).await.unwrap();
        assert!(answer(&mut first).await.contains("connection: close"));
        let _kept = server.connect(false).await;
        let start = tokio::time::Instant::now();
        let mut too_many = server.connect(false).await;
        assert_eq!(answer(&mut too_many).await, "");
        assert!(start.elapsed() < Duration::from_secs(1), "closed at once, not after the timeout");
        let mut own = server.connect(true).await;
        own.write_all(REQUEST).await.unwrap();
        assert!(answer(&mut own).await.ends_with("here"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_users_connections_wait_for_a_slot() {
        let server = TestServer::start();
        let _idle = [server.connect(true).await, server.connect(true).await];
        let mut third = server.connect(true).await;
        third.write_all(REQUEST).await.unwrap();
        assert!(answer(&mut third).await.ends_with("here"), "after the server closed the idle ones");
    }

    #[tokio::test]
    async fn a_head_larger_than_any_sdks_is_refused() {
        let server = TestServer::start();
        let mut client = server.connect(true).await;
        let head = format!("GET / HTTP/1.1\r\nHost: x\r\nx: {}\r\n\r\n", "y".repeat(MAX_HEAD_BYTES));
        client.write_all(head.as_bytes()).await.unwrap();
        assert!(answer(&mut client).await.contains(" 431 "));
    }
}
