//! A server that records which access key signs each request.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a client may take to send its request.
const READ_LIMIT: Duration = Duration::from_secs(10);
/// The longest body that is read.
const BODY_LIMIT: u64 = 64 * 1024;

/// A server for any AWS service on loopback: it records the access key of each signed request and refuses the request,
/// so a client with any endpoint setting shows which identity it would have used.
#[derive(Debug)]
pub struct SignedRequests {
    url: String,
    access_keys: Arc<Mutex<Vec<String>>>,
}

impl SignedRequests {
    /// Starts the server. It ends with the test's process.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let access_keys = Arc::<Mutex<Vec<String>>>::default();
        let recorded = access_keys.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let recorded = recorded.clone();
                std::thread::spawn(move || answer(&stream, &recorded));
            }
        });
        Self { url, access_keys }
    }

    /// Returns the server's URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the access keys since the last call, in the order of the requests.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.access_keys.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Answers one request. A connection that sends nothing sensible is closed.
fn answer(mut stream: &TcpStream, recorded: &Mutex<Vec<String>>) -> Option<()> {
    stream.set_read_timeout(Some(READ_LIMIT)).ok()?;
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        if let Some((_, credential)) = line.split_once("Credential=") {
            let access_key = credential.split('/').next().unwrap_or_default().to_owned();
            recorded.lock().unwrap_or_else(PoisonError::into_inner).push(access_key);
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    std::io::copy(&mut reader.take(BODY_LIMIT.min(length)), &mut std::io::sink()).ok()?;
    let body =
        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>recorded</Message></Error></ErrorResponse>";
    let head = "HTTP/1.1 403 Forbidden\r\nContent-Type: text/xml\r\nConnection: close\r\n";
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).ok()
}
