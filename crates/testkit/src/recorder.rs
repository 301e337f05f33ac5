//! A listener that records what it receives.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a connection may be silent.
const SILENCE: Duration = Duration::from_secs(2);

/// A listener on 127.0.0.1 that records every byte that it receives, and answers each connection with an error. It
/// listens until the test ends.
#[derive(Debug)]
pub struct Recorder {
    url: String,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Default for Recorder {
    fn default() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::<Mutex<Vec<u8>>>::default();
        let record = received.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let record = record.clone();
                std::thread::spawn(move || receive(connection, &record));
            }
        });
        Self { url, received }
    }
}

impl Recorder {
    /// Returns its base URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns everything that it has received.
    pub fn received(&self) -> String {
        String::from_utf8_lossy(&self.received.lock().unwrap()).into_owned()
    }
}

fn receive(mut connection: TcpStream, record: &Mutex<Vec<u8>>) {
    connection.set_read_timeout(Some(SILENCE)).unwrap();
    let mut bytes = [0; 4_096];
    while let Ok(length @ 1..) = connection.read(&mut bytes) {
        record.lock().unwrap().extend_from_slice(&bytes[..length]);
        // Fails if the client has gone.
        let _ = connection.write_all(b"HTTP/1.1 500 Error\r\ncontent-length: 0\r\n\r\n");
    }
}
