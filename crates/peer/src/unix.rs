//! The client's end of a Unix connection.

use std::io;
use std::os::fd::AsFd;

use crate::Process;

/// The client's end of a Unix connection.
#[derive(Clone, Debug)]
pub struct UnixPeer {
    /// The user who connected.
    pub uid: u32,
    /// The process that connected.
    pub process: Process,
}

/// Returns the user at the other end of the connection: for a server the user who connected, and for a client the user
/// who listens.
#[cfg(target_os = "linux")]
pub fn unix_peer_uid(connection: impl AsFd) -> io::Result<u32> {
    Ok(rustix::net::sockopt::socket_peercred(connection)?.uid.as_raw())
}

/// Returns the user at the other end of the connection: for a server the user who connected, and for a client the user
/// who listens.
#[cfg(not(target_os = "linux"))]
pub fn unix_peer_uid(connection: impl AsFd) -> io::Result<u32> {
    Ok(nix::unistd::getpeereid(connection)?.0.as_raw())
}

/// Returns the user and the process that connected, by `SO_PEERCRED`.
#[cfg(target_os = "linux")]
pub fn unix_peer(connection: impl AsFd) -> io::Result<UnixPeer> {
    let credentials = rustix::net::sockopt::socket_peercred(&connection)?;
    Ok(UnixPeer { uid: credentials.uid.as_raw(), process: Process::of_peer(credentials.pid, &connection) })
}

/// Returns the user who connected. The process is not known, because macOS has no pidfd, and a bare process id may be
/// reused. Not tested on a Mac.
#[cfg(not(target_os = "linux"))]
pub fn unix_peer(connection: impl AsFd) -> io::Result<UnixPeer> {
    Ok(UnixPeer { uid: unix_peer_uid(connection)?, process: Process::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifies_the_user_and_the_process_behind_a_unix_connection() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let peer = unix_peer(&one).unwrap();
        assert_eq!(peer.uid, crate::own_uid());
        assert_eq!(unix_peer_uid(&one).unwrap(), crate::own_uid());
        if cfg!(target_os = "linux") {
            assert_eq!(peer.process.program().unwrap().pid, std::process::id());
        }
    }
}
