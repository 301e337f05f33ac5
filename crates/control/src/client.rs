//! The small client: HTTP/1.0 over the Unix socket, blocking. HTTP/1.0 because its answers end where the
//! connection ends, so that a stream of events needs no more than lines; and blocking because a client that does
//! one thing and ends pays for no runtime.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::{API_HEADER, API_VERSION, ErrorBody, LoginEvent};

/// The daemon answers at once but for credentials, which it fetches for 10 seconds at most, and for a sign-out,
/// which tells AWS.
const PATIENCE: Duration = Duration::from_secs(40);
/// A person may take this long to sign in.
const LOGIN_PATIENCE: Duration = Duration::from_mins(35);
/// An answer's head is a few hundred bytes.
const HEAD_CAP: u64 = 16 * 1024;
/// The largest answer is the list of a large organisation's accounts and roles.
const BODY_CAP: u64 = 64 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("the ssod daemon is not reachable at {}: {error}", .socket.display())]
    NotReachable {
        /// Where.
        socket: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The daemon says no.
    #[error("{}", .0.message)]
    Refused(ErrorBody),
    /// What came back is not an answer.
    #[error("the ssod daemon's answer makes no sense ({0}); it may be of another version")]
    Garbled(String),
    /// The connection broke.
    #[error("the connection to the ssod daemon broke: {0}")]
    Broken(io::Error),
}

/// Talks to the daemon behind one socket.
#[derive(Clone, Debug)]
pub struct ControlClient {
    socket: PathBuf,
}

impl ControlClient {
    /// A client for that socket; nothing is sent.
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Whether somebody listens there.
    pub fn is_reachable(&self) -> bool {
        UnixStream::connect(&self.socket).is_ok()
    }

    /// Asks for something.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        decode(&read_body(self.call("GET", path, b"", PATIENCE)?)?)
    }

    /// Tells something.
    pub fn post<T: DeserializeOwned>(&self, path: &str, message: &impl Serialize) -> Result<T, ClientError> {
        decode(&read_body(self.send(path, message, PATIENCE)?)?)
    }

    /// Tells something whose answer is a stream of events.
    pub fn events(&self, path: &str, message: &impl Serialize) -> Result<Events, ClientError> {
        Ok(Events(self.send(path, message, LOGIN_PATIENCE)?))
    }

    fn send(
        &self,
        path: &str,
        message: &impl Serialize,
        patience: Duration,
    ) -> Result<BufReader<UnixStream>, ClientError> {
        let body = serde_json::to_vec(message).map_err(|error| ClientError::Garbled(error.to_string()))?;
        self.call("POST", path, &body, patience)
    }

    /// Sends the request and reads the answer's head; what is left to read is the body.
    fn call(
        &self,
        method: &str,
        path: &str,
        body: &[u8],
        patience: Duration,
    ) -> Result<BufReader<UnixStream>, ClientError> {
        let unreachable = |error| ClientError::NotReachable { socket: self.socket.clone(), error };
        let mut connection = UnixStream::connect(&self.socket).map_err(unreachable)?;
        connection.set_read_timeout(Some(patience)).map_err(ClientError::Broken)?;
        connection.set_write_timeout(Some(patience)).map_err(ClientError::Broken)?;
        let mut request = format!(
            "{method} {path} HTTP/1.0\r\nHost: ssod\r\n{API_HEADER}: {API_VERSION}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        connection.write_all(&request).map_err(ClientError::Broken)?;
        let mut answer = BufReader::new(connection);
        match read_status(&mut answer)? {
            200..=299 => Ok(answer),
            status => Err(match serde_json::from_slice(&read_body(answer)?) {
                Ok(error) => ClientError::Refused(error),
                Err(_) => ClientError::Garbled(format!("status {status}")),
            }),
        }
    }
}

/// The events of a sign-in, one a line.
#[derive(Debug)]
pub struct Events(BufReader<UnixStream>);

impl Iterator for Events {
    type Item = Result<LoginEvent, ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = String::new();
        match self.0.by_ref().take(HEAD_CAP).read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(decode(line.as_bytes())),
            Err(error) => Some(Err(ClientError::Broken(error))),
        }
    }
}

fn read_status(answer: &mut BufReader<UnixStream>) -> Result<u16, ClientError> {
    let mut head = Vec::new();
    let mut limited = answer.by_ref().take(HEAD_CAP);
    while !head.ends_with(b"\r\n\r\n") {
        if limited.read_until(b'\n', &mut head).map_err(ClientError::Broken)? == 0 {
            return Err(ClientError::Garbled("it ended early".to_owned()));
        }
    }
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    response.parse(&head).map_err(|error| ClientError::Garbled(error.to_string()))?;
    response.code.ok_or_else(|| ClientError::Garbled("it has no status".to_owned()))
}

fn read_body(answer: BufReader<UnixStream>) -> Result<Vec<u8>, ClientError> {
    let mut body = Vec::new();
    answer.take(BODY_CAP).read_to_end(&mut body).map_err(ClientError::Broken)?;
    Ok(body)
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, ClientError> {
    // serde's words could quote a value; where it failed is enough.
    serde_json::from_slice(body)
        .map_err(|error| ClientError::Garbled(format!("line {} column {}", error.line(), error.column())))
}
