//! Platforms that do not report the owner of a TCP connection: see [`crate::IDENTIFIES_TCP_PEERS`].

use std::io;
use std::net::SocketAddrV4;

use crate::{Process, TcpPeer, own_uid};

/// Returns this user as the owner, because this platform does not report it.
pub fn tcp_peer(_client: SocketAddrV4, _server: SocketAddrV4) -> io::Result<Option<TcpPeer>> {
    Ok(Some(TcpPeer { uid: own_uid(), inode: 0 }))
}

/// Returns `None`, because this platform does not report it.
pub fn holder_of(_peer: TcpPeer) -> Option<Process> {
    None
}
