//! Platforms that do not report the owner of a TCP connection: see [`crate::IDENTIFIES_TCP_PEERS`].

use std::io;
use std::net::{SocketAddr, SocketAddrV4};

use crate::{Process, TcpPeer, own_uid};

/// Returns this user as the owner, because this platform does not report it.
pub fn tcp_peer(_client: SocketAddrV4, _server: SocketAddrV4) -> io::Result<Option<TcpPeer>> {
    Ok(Some(TcpPeer { uid: own_uid(), inode: 0, cgroup: None }))
}

/// Returns `None`, because this platform does not report the user.
pub fn tcp_server_user(_client: SocketAddr, _server: SocketAddr) -> io::Result<Option<u32>> {
    Ok(None)
}

/// Returns `None`, because this platform does not report it.
pub fn holder_of(_peer: TcpPeer) -> Option<Process> {
    None
}

/// Returns `None`, because this platform does not report it.
pub fn holder_among(_peer: TcpPeer, _ids: impl IntoIterator<Item = u32>) -> Option<Process> {
    None
}

/// Returns `None`, because this platform does not report it.
pub fn new_holder_of(_peer: TcpPeer) -> Option<Process> {
    None
}

/// Returns `None`, because this platform does not report it.
pub(crate) fn holder_of_socket(_inode: u32) -> Option<Process> {
    None
}

/// Returns `None`, because this platform has no cgroups.
pub fn cgroup_path(_id: u64) -> Option<String> {
    None
}
