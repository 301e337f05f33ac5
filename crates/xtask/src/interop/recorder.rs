//! A server between a client and moto that records the access keys with which the client signs.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};

const KEY_BEGIN: &[u8] = b"Credential=";

/// A server that forwards every byte to moto, and records the access keys in it.
pub(super) struct Recorder {
    url: String,
    keys: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    /// Starts the server in front of the server at this URL. It ends with this program.
    pub(super) fn start(upstream: &str) -> Result<Self> {
        let upstream: SocketAddr = upstream.strip_prefix("http://").context("not an http URL")?.parse()?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let keys = Arc::<Mutex<Vec<String>>>::default();
        let recorded = keys.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let recorded = recorded.clone();
                std::thread::spawn(move || forward(&client, upstream, &recorded));
            }
        });
        Ok(Self { url, keys })
    }

    /// Returns the server's URL.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Returns the access keys since the last call, in the order of the requests.
    pub(super) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.keys.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Forwards a connection in both directions, until both sides have closed it.
fn forward(client: &TcpStream, upstream: SocketAddr, keys: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let server = TcpStream::connect(upstream)?;
    let (to_client, from_server) = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || copy(&from_server, &to_client, |_| {}));
    let (mut sent, mut searched) = (Vec::new(), 0);
    copy(client, &server, |bytes| {
        sent.extend_from_slice(bytes);
        while let Some((key, end)) = next_key(&sent, searched) {
            searched = end;
            keys.lock().unwrap_or_else(PoisonError::into_inner).push(key);
        }
    });
    Ok(())
}

fn copy(mut from: &TcpStream, mut to: &TcpStream, mut inspect: impl FnMut(&[u8])) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let bytes = buffer.get(..count).unwrap_or_default();
        inspect(bytes);
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// Returns the next complete access key after the position, and the position after it.
fn next_key(sent: &[u8], from: usize) -> Option<(String, usize)> {
    let rest = sent.get(from..)?;
    let begin = rest.windows(KEY_BEGIN.len()).position(|bytes| bytes == KEY_BEGIN)? + KEY_BEGIN.len();
    let length = rest.get(begin..)?.iter().position(|byte| *byte == b'/')?;
    let key = rest.get(begin..begin + length)?;
    Some((String::from_utf8_lossy(key).into_owned(), from + begin + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_once_it_is_complete() {
        assert_eq!(next_key(b"Authorization: AWS4 Credential=ASIA1", 0), None);
        let sent = b"Credential=ASIA1/2026, x\r\nCredential=ASIA2/2026";
        let (first, end) = next_key(sent, 0).unwrap();
        assert_eq!(first, "ASIA1");
        assert_eq!(next_key(sent, end).unwrap().0, "ASIA2");
    }
}
