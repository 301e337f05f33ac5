//! One request at a time over a socket, as bytes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::static_server::StaticAnswer;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(30);

/// A request without a body.
#[derive(Clone, Debug)]
pub(in crate::bench) struct Request {
    pub(in crate::bench) method: &'static str,
    pub(in crate::bench) path: String,
    pub(in crate::bench) headers: Vec<(String, String)>,
}

impl Request {
    /// Returns a GET request.
    pub(in crate::bench) fn get(path: impl Into<String>, headers: &[(&str, &str)]) -> Self {
        Self::new("GET", path, headers)
    }

    /// Returns a request with this method.
    pub(in crate::bench) fn new(
        method: &'static str,
        path: impl Into<String>,
        headers: &[(&str, &str)],
    ) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self { method, path: path.into(), headers: headers.collect() }
    }

    /// Returns the bytes that are sent.
    pub(in crate::bench) fn text(&self) -> String {
        let headers = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        let headers: String = headers.collect();
        format!("{} {} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n", self.method, self.path)
    }

    /// Asks a server on a new connection, and returns the answer as a static server repeats it.
    pub(in crate::bench) fn record(&self, server: SocketAddr) -> Result<StaticAnswer> {
        let answer = exchange_new(server, self)?;
        let answer = String::from_utf8(answer).context("the answer is not text")?;
        let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no head")?;
        ensure!(head.starts_with("HTTP/1.1 200"), "{} {}: {answer}", self.method, self.path);
        let headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
        // The server itself adds these two.
        let is_own = |name: &str| !["date", "content-length"].contains(&name);
        let headers = headers.filter(|(name, _)| is_own(&name.to_ascii_lowercase()));
        Ok(StaticAnswer {
            path: self.path.clone(),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            body: body.to_owned(),
        })
    }
}

/// Sends the request on a new connection, and returns the answer.
pub(in crate::bench) fn exchange_new(server: SocketAddr, request: &Request) -> Result<Vec<u8>> {
    let mut connection = TcpStream::connect(server)?;
    connection.set_nodelay(true)?;
    connection.set_read_timeout(Some(LIMIT))?;
    exchange(&mut connection, request)
}

/// Sends the request, and returns the answer, whose length its head names.
pub(in crate::bench) fn exchange(connection: &mut TcpStream, request: &Request) -> Result<Vec<u8>> {
    connection.write_all(request.text().as_bytes())?;
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let count = connection.read(&mut buffer)?;
        ensure!(count > 0, "the server closed the connection");
        answer.extend_from_slice(buffer.get(..count).unwrap_or_default());
        if length_of(&answer).is_some_and(|length| answer.len() >= length) {
            return Ok(answer);
        }
    }
}

/// Returns the length of the whole answer, once its head is complete.
fn length_of(answer: &[u8]) -> Option<usize> {
    let head_length = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(answer.get(..head_length)?).to_ascii_lowercase();
    let body_length: usize = head.split_once("content-length: ")?.1.split("\r\n").next()?.parse().ok()?;
    Some(head_length + body_length)
}
