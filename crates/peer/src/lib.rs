//! Who is at the other end of a connection: the uid by the kernel's word, the program behind it as best it can
//! be told.

mod holder;
mod process;
#[cfg(target_os = "linux")]
mod sock_diag;

use std::io;
use std::net::SocketAddrV4;
use std::os::fd::AsFd;

pub use holder::port_holder;
pub use process::Process;
#[cfg(target_os = "linux")]
pub use process::holder_of;

/// Who opened a Unix connection.
#[derive(Clone, Debug)]
pub struct UnixPeer {
    /// The user.
    pub uid: u32,
    /// The process that connected.
    pub process: Process,
}

/// Who holds the client's end of a loopback TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpPeer {
    /// The user.
    pub uid: u32,
    /// The socket's inode, by which its process can be found.
    pub inode: u32,
}

/// The uid that a daemon serves: its own.
pub fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Who connected to a Unix socket, by `SO_PEERCRED`.
#[cfg(target_os = "linux")]
pub fn unix_peer(connection: impl AsFd) -> io::Result<UnixPeer> {
    let credentials = rustix::net::sockopt::socket_peercred(&connection)?;
    Ok(UnixPeer { uid: credentials.uid.as_raw(), process: Process::of_peer(credentials.pid, &connection) })
}

/// Who connected to a Unix socket: not told on this platform, where the socket's mode (0600) stands alone.
#[cfg(not(target_os = "linux"))]
pub fn unix_peer(_connection: impl AsFd) -> io::Result<UnixPeer> {
    Ok(UnixPeer { uid: own_uid(), process: Process::default() })
}

/// Whether this platform tells whose the other end of a loopback TCP connection is. Where it does not, the
/// authorization token stands alone.
pub const TELLS_TCP_PEERS: bool = cfg!(target_os = "linux");

/// Who holds the client's end of a loopback TCP connection; `None` where the kernel does not know (any more), which
/// must count as a stranger.
#[cfg(target_os = "linux")]
pub fn tcp_peer(client: SocketAddrV4, server: SocketAddrV4) -> io::Result<Option<TcpPeer>> {
    sock_diag::owner_of(client, server)
}

/// Not told on this platform: see [`TELLS_TCP_PEERS`].
#[cfg(not(target_os = "linux"))]
pub fn tcp_peer(_client: SocketAddrV4, _server: SocketAddrV4) -> io::Result<Option<TcpPeer>> {
    Ok(Some(TcpPeer { uid: own_uid(), inode: 0 }))
}

/// Not told on this platform.
#[cfg(not(target_os = "linux"))]
pub fn holder_of(_peer: TcpPeer) -> Option<Process> {
    None
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
        let peer = tcp_peer(from, server).unwrap().unwrap();
        assert_eq!(peer.uid, own_uid());
        let program = holder_of(peer).unwrap().program().unwrap();
        assert_eq!(program.pid, std::process::id());
        let nobody = SocketAddrV4::new(*from.ip(), 1);
        assert_eq!(tcp_peer(nobody, server).unwrap(), None);
        drop(client);
        assert!(holder_of(peer).is_none(), "nobody holds a socket that was closed");
    }

    /// As Java and .NET connect.
    #[test]
    fn the_uid_of_a_dual_stack_client_is_known_too() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = v4(listener.local_addr().unwrap());
        let Ok(client) = TcpStream::connect(("::ffff:127.0.0.1", server.port())) else {
            // A machine without IPv6 has no such clients.
            return;
        };
        let (_, from) = listener.accept().unwrap();
        assert_eq!(tcp_peer(v4(from), server).unwrap().map(|peer| peer.uid), Some(own_uid()));
        drop(client);
    }

    #[test]
    fn a_unix_peer_is_named() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        let peer = unix_peer(&one).unwrap();
        assert_eq!(peer.uid, own_uid());
        assert_eq!(peer.process.program().unwrap().pid, std::process::id());
    }
}
