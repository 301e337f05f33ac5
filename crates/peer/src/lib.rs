//! Who is at the other end of a connection: the uid by the kernel's word, the program behind it as best it can
//! be told.

mod holder;
mod program;
#[cfg(target_os = "linux")]
mod sock_diag;

use std::io;
use std::net::SocketAddrV4;
use std::os::fd::AsFd;

pub use holder::port_holder;
pub use program::{parent_of, program_of};

/// The process that opened a Unix connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its user.
    pub uid: u32,
    /// Its process, as it was when it connected.
    pub pid: u32,
}

/// The uid that a daemon serves: its own.
pub fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Who connected to a Unix socket, by `SO_PEERCRED`.
#[cfg(target_os = "linux")]
pub fn unix_peer(connection: impl AsFd) -> io::Result<Peer> {
    let credentials = rustix::net::sockopt::socket_peercred(connection)?;
    let pid = u32::try_from(credentials.pid.as_raw_nonzero().get()).unwrap_or_default();
    Ok(Peer { uid: credentials.uid.as_raw(), pid })
}

/// Who connected to a Unix socket: not told on this platform, where the socket's mode (0600) stands alone.
#[cfg(not(target_os = "linux"))]
pub fn unix_peer(_connection: impl AsFd) -> io::Result<Peer> {
    Ok(Peer { uid: own_uid(), pid: 0 })
}

/// The uid of the process that holds the client's end of a loopback TCP connection; `None` where the kernel
/// does not know one (any more), which must count as a stranger.
#[cfg(target_os = "linux")]
pub fn tcp_uid(client: SocketAddrV4, server: SocketAddrV4) -> io::Result<Option<u32>> {
    sock_diag::uid_of(client, server)
}

/// Not told on this platform: the authorization token stands alone.
#[cfg(not(target_os = "linux"))]
pub fn tcp_uid(_client: SocketAddrV4, _server: SocketAddrV4) -> io::Result<Option<u32>> {
    Ok(Some(own_uid()))
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener, TcpStream};

    use super::*;

    fn v4(address: SocketAddr) -> SocketAddrV4 {
        match address {
            SocketAddr::V4(address) => address,
            SocketAddr::V6(_) => unreachable!("the tests listen on 127.0.0.1"),
        }
    }

    #[test]
    fn the_uid_of_a_loopback_client_is_known_while_it_is_connected() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = v4(listener.local_addr().unwrap());
        let client = TcpStream::connect(server).unwrap();
        let from = v4(client.local_addr().unwrap());
        assert_eq!(tcp_uid(from, server).unwrap(), Some(own_uid()));
        let nobody = SocketAddrV4::new(*from.ip(), 1);
        assert_eq!(tcp_uid(nobody, server).unwrap(), None);
    }

    #[test]
    fn a_unix_peer_is_named() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(unix_peer(&one).unwrap(), Peer { uid: own_uid(), pid: std::process::id() });
    }
}
