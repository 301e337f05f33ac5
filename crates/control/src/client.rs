//! The client of the daemon: blocking HTTP/1.0 over the Unix socket. An HTTP/1.0 response has a length or ends when the
//! connection closes, so a stream of events is only lines. The client blocks, because a program that sends a few
//! requests and exits needs no async runtime.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use ssod_private_files::FolderError;
use thiserror::Error;

use crate::message::{ErrorBody, LoginEvent};
use crate::owners::user;
use crate::version::{API_HEADER, API_VERSION};

/// The daemon answers most requests at once. It fetches credentials for at most 10 seconds, and a sign-out calls AWS.
const TIMEOUT: Duration = Duration::from_secs(40);
/// How long the user may take to sign in.
const LOGIN_TIMEOUT: Duration = Duration::from_mins(35);
/// The head of a response has a few hundred bytes.
const MAX_HEAD_BYTES: u64 = 16 * 1024;
/// The largest body is the list of a large organisation's accounts and roles.
const MAX_BODY_BYTES: u64 = 64 * 1024 * 1024;

/// Why a request has no result.
#[derive(Debug, Error)]
pub enum ClientError {
    /// No daemon listens on the socket.
    #[error("the ssod daemon is not reachable at {}: {error}", .socket.display())]
    NotReachable {
        /// The socket.
        socket: PathBuf,
        /// The error.
        error: io::Error,
    },
    /// Another user may be at the other end, so nothing was sent.
    #[error("the control socket {} is not used: {reason}", .socket.display())]
    Untrusted {
        /// The socket.
        socket: PathBuf,
        /// Why it is not used.
        reason: UntrustedSocket,
    },
    /// The daemon answered with an error.
    #[error("{}", .0.message)]
    Refused(ErrorBody),
    /// The response does not follow the protocol.
    #[error("the ssod daemon sent an invalid response ({0}); it may have another version")]
    InvalidResponse(String),
    /// The connection failed.
    #[error("the connection to the ssod daemon failed: {0}")]
    ConnectionFailed(io::Error),
}

/// Why a control socket is not used.
#[derive(Debug, Error)]
pub enum UntrustedSocket {
    /// Other users can put a socket of their own into the folder.
    #[error("its folder {}: {error}", .folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        error: FolderError,
    },
    /// Another user listens on it.
    #[error("{} listens on it, not {}", user(*.uid), user(*.own_uid))]
    OtherUser {
        /// The user who listens.
        uid: u32,
        /// The user of this process.
        own_uid: u32,
    },
    /// The system does not say who listens on it.
    #[error("the system does not report who listens on it ({0})")]
    Unknown(io::Error),
}

impl UntrustedSocket {
    /// Returns what the user can do.
    pub fn remedy(&self) -> String {
        let other = "Set XDG_RUNTIME_DIR or SSOD_SOCKET to a folder of yours that only you can enter (mode 0700), or unset them";
        match self {
            Self::Folder { folder, error: FolderError::TooOpen { .. } } => {
                format!("If you trust what is in it: chmod 700 {}. {other}", folder.display())
            }
            Self::Folder { .. } | Self::OtherUser { .. } | Self::Unknown(_) => other.to_owned(),
        }
    }
}

/// Sends requests to the daemon.
#[derive(Clone, Debug)]
pub struct ControlClient {
    socket: PathBuf,
}

impl ControlClient {
    /// Returns a client for the socket, without a connection.
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Checks that this user's daemon accepts connections on the socket.
    pub fn check_reachable(&self) -> Result<(), ClientError> {
        self.connect().map(drop)
    }

    /// Sends a GET request.
    pub fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        decode(&self.call("GET", path, b"", TIMEOUT)?.body()?)
    }

    /// Sends a GET request to a daemon that may hang: each read and write ends after this time.
    pub fn get_within<T: DeserializeOwned>(&self, path: &str, timeout: Duration) -> Result<T, ClientError> {
        decode(&self.call("GET", path, b"", timeout)?.body()?)
    }

    /// Sends a POST request.
    pub fn post<T: DeserializeOwned>(&self, path: &str, message: &impl Serialize) -> Result<T, ClientError> {
        decode(&self.send(path, message, TIMEOUT)?.body()?)
    }

    /// Sends a POST request whose response is a stream of events.
    pub fn events(&self, path: &str, message: &impl Serialize) -> Result<Events, ClientError> {
        Ok(Events(self.send(path, message, LOGIN_TIMEOUT)?.connection))
    }

    /// Sends a POST request whose effect lasts until the returned value is dropped, and waits until it has begun.
    pub fn hold(&self, path: &str, message: &impl Serialize) -> Result<Held, ClientError> {
        let mut response = self.send(path, message, TIMEOUT)?.connection;
        let mut line = String::new();
        match response.by_ref().take(MAX_HEAD_BYTES).read_line(&mut line) {
            Ok(0) => Err(ended_early()),
            Ok(_) => Ok(Held { _connection: response }),
            Err(error) => Err(ClientError::ConnectionFailed(error)),
        }
    }

    /// Connects to this user's daemon. Before anything is sent, checks that only this user can enter the socket's
    /// folder, and that this user listens: the answers select the credentials that this user's tools get.
    fn connect(&self) -> Result<UnixStream, ClientError> {
        let untrusted = |reason| ClientError::Untrusted { socket: self.socket.clone(), reason };
        let unreachable = |error| ClientError::NotReachable { socket: self.socket.clone(), error };
        let folder = self.socket.parent().unwrap_or(Path::new("/"));
        match ssod_private_files::check_private_folder(folder) {
            Ok(()) => {}
            Err(FolderError::Io(error)) => return Err(unreachable(error)),
            Err(error) => {
                return Err(untrusted(UntrustedSocket::Folder { folder: folder.to_owned(), error }));
            }
        }
        let connection = UnixStream::connect(&self.socket).map_err(unreachable)?;
        let own_uid = ssod_peer::own_uid();
        match ssod_peer::unix_peer_uid(&connection) {
            Ok(uid) if uid == own_uid => Ok(connection),
            Ok(uid) => Err(untrusted(UntrustedSocket::OtherUser { uid, own_uid })),
            Err(error) => Err(untrusted(UntrustedSocket::Unknown(error))),
        }
    }

    fn send(&self, path: &str, message: &impl Serialize, timeout: Duration) -> Result<Response, ClientError> {
        let body =
            serde_json::to_vec(message).map_err(|error| ClientError::InvalidResponse(error.to_string()))?;
        self.call("POST", path, &body, timeout)
    }

    /// Sends the request and reads the head of the response; the caller reads the body.
    fn call(
        &self,
        method: &str,
        path: &str,
        body: &[u8],
        timeout: Duration,
    ) -> Result<Response, ClientError> {
        let mut connection = self.connect()?;
        connection.set_read_timeout(Some(timeout)).map_err(ClientError::ConnectionFailed)?;
        connection.set_write_timeout(Some(timeout)).map_err(ClientError::ConnectionFailed)?;
        let mut request = format!(
            "{method} {path} HTTP/1.0\r\nHost: ssod\r\n{API_HEADER}: {API_VERSION}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        connection.write_all(&request).map_err(ClientError::ConnectionFailed)?;
        let response = Response::begin(connection)?;
        match response.status {
            200..=299 => Ok(response),
            status => Err(match serde_json::from_slice(&response.body()?) {
                Ok(error) => ClientError::Refused(error),
                Err(_) => ClientError::InvalidResponse(format!("status {status}")),
            }),
        }
    }
}

/// A connection that keeps something in force at the daemon.
#[derive(Debug)]
pub struct Held {
    _connection: BufReader<UnixStream>,
}

/// The events of a sign-in, one per line.
#[derive(Debug)]
pub struct Events(BufReader<UnixStream>);

impl Iterator for Events {
    type Item = Result<LoginEvent, ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = String::new();
        match self.0.by_ref().take(MAX_HEAD_BYTES).read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(decode(line.as_bytes())),
            Err(error) => Some(Err(ClientError::ConnectionFailed(error))),
        }
    }
}

/// A response whose head has been read.
struct Response {
    connection: BufReader<UnixStream>,
    status: u16,
    /// The length of the body in bytes; `None` if the body ends with the connection.
    length: Option<u64>,
}

impl Response {
    /// Reads the head.
    fn begin(connection: UnixStream) -> Result<Self, ClientError> {
        let mut connection = BufReader::new(connection);
        let mut head = Vec::new();
        let mut limited = connection.by_ref().take(MAX_HEAD_BYTES);
        while !head.ends_with(b"\r\n\r\n") {
            if limited.read_until(b'\n', &mut head).map_err(ClientError::ConnectionFailed)? == 0 {
                return Err(ended_early());
            }
        }
        let (status, length) = parse_head(&head)?;
        Ok(Self { connection, status, length })
    }

    /// Reads the body. If the head has its length, the client does not wait until the daemon closes the connection,
    /// which saves a system call, and a wait of 8 to 14 µs if the daemon is slower to close than the client to read.
    fn body(self) -> Result<Vec<u8>, ClientError> {
        let mut body = Vec::new();
        let limit = self.length.unwrap_or(MAX_BODY_BYTES).min(MAX_BODY_BYTES);
        self.connection.take(limit).read_to_end(&mut body).map_err(ClientError::ConnectionFailed)?;
        match self.length {
            Some(length) if length != body.len() as u64 => Err(ended_early()),
            _ => Ok(body),
        }
    }
}

/// Returns the status, and the body's length if the head has it.
fn parse_head(head: &[u8]) -> Result<(u16, Option<u64>), ClientError> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut parsed = httparse::Response::new(&mut headers);
    parsed.parse(head).map_err(|error| ClientError::InvalidResponse(error.to_string()))?;
    let status = parsed.code.ok_or_else(|| ClientError::InvalidResponse("it has no status".to_owned()))?;
    let named = parsed.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length =
        named.map(|header| std::str::from_utf8(header.value).ok().and_then(|text| text.parse().ok()));
    match length {
        Some(None) => Err(ClientError::InvalidResponse("it has an invalid length".to_owned())),
        length => Ok((status, length.flatten())),
    }
}

fn ended_early() -> ClientError {
    ClientError::InvalidResponse("it ended early".to_owned())
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, ClientError> {
    // serde's message could contain a secret value, so only the position is reported.
    serde_json::from_slice(body).map_err(|error| {
        ClientError::InvalidResponse(format!("line {} column {}", error.line(), error.column()))
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    use std::os::unix::net::UnixListener;

    use super::*;

    fn untrusted(socket: &Path) -> UntrustedSocket {
        match ControlClient::new(socket).check_reachable() {
            Err(ClientError::Untrusted { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_a_socket_of_this_user_in_a_private_folder_is_used() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let socket = folder.path().join("control.sock");
        let client = ControlClient::new(&socket);
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        assert!(matches!(client.check_reachable(), Err(ClientError::NotReachable { .. })));
        let _listener = UnixListener::bind(&socket).unwrap();
        client.check_reachable().unwrap();
        for mode in [0o701, 0o710, 0o755, 0o777] {
            std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            let reason = untrusted(&socket);
            assert!(matches!(reason, UntrustedSocket::Folder { .. }), "{reason:?}");
            assert!(reason.remedy().contains(&format!("chmod 700 {}", folder.path().display())));
        }
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let other = tempfile::tempdir().unwrap();
        let link = other.path().join("link");
        symlink(folder.path(), &link).unwrap();
        assert!(
            untrusted(&link.join("control.sock")).to_string().contains("a symlink to one is not accepted")
        );
        if rustix::process::geteuid().is_root() {
            chown(folder.path(), Some(4242), None).unwrap();
            assert!(untrusted(&socket).to_string().contains("belongs to user 4242"));
        }
    }
}
