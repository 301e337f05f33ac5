//! The process that has a socket open.

use crate::{Process, TcpPeer};

/// Finds the process that holds the client's end of that connection. It reads the descriptors of every process of this
/// user, which takes milliseconds, so a request must not wait for it.
pub fn holder_of(peer: TcpPeer) -> Option<Process> {
    let socket = format!("socket:[{}]", peer.inode);
    let holds_socket = |process: &Process| {
        let Ok(descriptors) = std::fs::read_dir(format!("/proc/{}/fd", process.pid())) else { return false };
        let mut links = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        links.any(|link| link.as_os_str() == socket.as_str())
    };
    let ids =
        std::fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.filter_map(Process::by_id).find(holds_socket)
}
