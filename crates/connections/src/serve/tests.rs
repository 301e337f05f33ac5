use axum::body::Bytes;
use axum::routing::{get, post};
use axum::{Extension, Router};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::*;
use crate::{CallerProof, Shares};

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

const OWN: usize = 4;
const UNPROVEN: usize = 2;

/// A server with slots for four connections of the user, two of them without proof, and one of another user.
struct TestServer(mpsc::Sender<(DuplexStream, bool)>);

impl TestServer {
    fn start() -> Self {
        Self::start_with(Proof::Token)
    }

    fn start_with(proof: Proof) -> Self {
        let (sender, receiver) = mpsc::channel(16);
        let router = Router::new()
            .route("/", get(async || "here"))
            .route("/", post(async |body: Bytes| body))
            .route("/token", get(async |Extension(proof): Extension<CallerProof>| proof.confirm()));
        let admit = move |_: &DuplexStream, own: &bool| {
            if *own { Admission::Own(router.clone()) } else { Admission::OtherUser(router.clone()) }
        };
        let capacity = Capacity::new(Shares { own: OWN, unproven: UNPROVEN, other_users: 1 });
        let rules = ConnectionRules { capacity, timeouts: Timeouts::default(), proof };
        tokio::spawn(serve(ChannelListener(receiver), rules, admit, std::future::pending()));
        Self(sender)
    }

    async fn connect(&self, own: bool) -> DuplexStream {
        let (client, connection) = tokio::io::duplex(64 * 1024);
        self.0.send((connection, own)).await.unwrap();
        client
    }

    /// Returns a connection that has shown its proof.
    async fn connect_with_proof(&self) -> DuplexStream {
        let mut client = self.connect(true).await;
        client.write_all(b"GET /token HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        assert!(answer(&mut client).await.contains("200 OK"));
        client
    }

    /// Fails unless a new caller is answered at once, as far as the caller can tell.
    async fn assert_answers(&self) {
        let start = Instant::now();
        let mut client = self.connect(true).await;
        client.write_all(REQUEST).await.unwrap();
        assert!(answer(&mut client).await.ends_with("here"));
        assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
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
    let start = Instant::now();
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
async fn a_connection_that_is_idle_after_its_answer_is_closed_after_ten_seconds() {
    let server = TestServer::start();
    let mut client = server.connect_with_proof().await;
    let start = Instant::now();
    assert_eq!(answer(&mut client).await, "", "the server closed the connection");
    assert!(start.elapsed() <= Duration::from_secs(11), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn other_users_have_their_own_share_and_get_one_answer() {
    let server = TestServer::start();
    let mut first = server.connect(false).await;
    first.write_all(REQUEST).await.unwrap();
    assert!(answer(&mut first).await.contains("connection: close"));
    let _kept = server.connect(false).await;
    let start = Instant::now();
    let mut too_many = server.connect(false).await;
    assert_eq!(answer(&mut too_many).await, "");
    assert!(start.elapsed() < Duration::from_secs(1), "closed at once, not after the timeout");
    server.assert_answers().await;
}

#[tokio::test(start_paused = true)]
async fn the_users_connections_wait_for_a_slot() {
    let server = TestServer::start();
    let mut idle = Vec::new();
    for _ in 0..OWN {
        idle.push(server.connect_with_proof().await);
    }
    let mut waiting = server.connect(true).await;
    waiting.write_all(REQUEST).await.unwrap();
    assert!(answer(&mut waiting).await.ends_with("here"), "after the server closed the idle ones");
}

#[tokio::test]
async fn a_head_larger_than_any_sdks_is_refused() {
    let server = TestServer::start();
    let mut client = server.connect(true).await;
    let head = format!("GET / HTTP/1.1\r\nHost: x\r\nx: {}\r\n\r\n", "y".repeat(MAX_HEAD_BYTES));
    client.write_all(head.as_bytes()).await.unwrap();
    assert!(answer(&mut client).await.contains(" 431 "));
}

#[tokio::test(start_paused = true)]
async fn connections_without_proof_do_not_keep_others_waiting() {
    let server = TestServer::start();
    let mut proven = server.connect_with_proof().await;
    let mut held = Vec::new();
    for _ in 0..10 * UNPROVEN {
        held.push(server.connect(true).await);
        server.assert_answers().await;
    }
    // Their requests are answered, but a request without a token is no proof.
    let asking = async {
        loop {
            for client in &mut held {
                // Fails for those that were closed.
                let _ = client.write_all(REQUEST).await;
                let _ = tokio::time::timeout(Duration::from_millis(1), answer(client)).await;
            }
        }
    };
    tokio::select! {
        () = asking => {}
        () = server.assert_answers() => {}
    }
    proven.write_all(REQUEST).await.unwrap();
    assert!(
        answer(&mut proven).await.ends_with("here"),
        "a connection with proof is never closed for another"
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_arrive_ends_the_connection_and_is_no_proof() {
    let server = TestServer::start_with(Proof::CompleteRequest);
    let request_head =
        |length: usize| format!("POST / HTTP/1.1\r\nHost: x\r\ncontent-length: {length}\r\n\r\n");
    let mut complete = server.connect(true).await;
    complete.write_all(format!("{}body", request_head(4)).as_bytes()).await.unwrap();
    assert!(answer(&mut complete).await.ends_with("body"));
    let mut held = Vec::new();
    for _ in 0..10 * UNPROVEN {
        let mut client = server.connect(true).await;
        client.write_all(request_head(100).as_bytes()).await.unwrap();
        held.push(client);
        server.assert_answers().await;
    }
    // Where no other connection needs the slot, the time limit applies.
    let server = TestServer::start_with(Proof::CompleteRequest);
    let mut alone = server.connect(true).await;
    alone.write_all(format!("{}bo", request_head(4)).as_bytes()).await.unwrap();
    let start = Instant::now();
    assert!(answer(&mut alone).await.contains(" 408 "));
    assert_eq!(answer(&mut alone).await, "", "the server closed the connection");
    assert!(start.elapsed() <= Duration::from_secs(11), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_body_larger_than_any_clients_is_refused() {
    let server = TestServer::start();
    let mut client = server.connect(true).await;
    client.write_all(b"POST / HTTP/1.1\r\nHost: x\r\ncontent-length: 70000\r\n\r\n").await.unwrap();
    let _ = client.write_all(&vec![b'x'; 70_000]).await;
    assert!(answer(&mut client).await.contains(" 413 "));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_does_not_read_its_answers_is_disconnected() {
    let server = TestServer::start();
    let mut client = server.connect_with_proof().await;
    let start = Instant::now();
    // The answers fill the connection long before these requests end.
    let sent = async {
        loop {
            if client.write_all(REQUEST).await.is_err() {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(5), sent).await.expect("the server closes the connection");
    assert!(start.elapsed() <= Duration::from_secs(11), "{:?}", start.elapsed());
}
