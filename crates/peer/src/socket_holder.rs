//! The process that has a socket open.

use std::path::{Path, PathBuf};

use crate::{Process, TcpPeer};

/// How many of the ids that were given out last are tried before all processes are listed.
const RECENT_IDS: u32 = 16;

/// Finds the process that holds the client's end of that connection, if it is among the newest processes. A short
/// command has started just now, and this takes some 50 microseconds.
pub fn new_holder_of(peer: TcpPeer) -> Option<Process> {
    let newest = newest_id()?;
    (0..RECENT_IDS).filter_map(|age| newest.checked_sub(age)).find_map(|id| holder(id, peer.inode))
}

/// Finds the process that holds the client's end of that connection, if it is one of these. A program that connects
/// again is found without listing all processes.
pub fn holder_among(peer: TcpPeer, ids: impl IntoIterator<Item = u32>) -> Option<Process> {
    ids.into_iter().find_map(|id| holder(id, peer.inode))
}

/// Finds the process that holds the client's end of that connection. It reads the descriptors of every process of this
/// user, which takes milliseconds, so a request must not wait for it.
pub fn holder_of(peer: TcpPeer) -> Option<Process> {
    holder_of_socket(peer.inode)
}

/// Finds the process that holds the socket of that inode, the newest first.
pub(crate) fn holder_of_socket(inode: u32) -> Option<Process> {
    let newest = newest_id().unwrap_or_default();
    let mut ids: Vec<u32> = std::fs::read_dir("/proc")
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    ids.sort_unstable_by_key(|id| age(*id, newest));
    ids.into_iter().find_map(|id| holder(id, inode))
}

/// Returns the process of that id if it has the socket open.
fn holder(id: u32, inode: u32) -> Option<Process> {
    let descriptor = descriptor_of(id, inode)?;
    // Fails for the id of a thread, whose process comes later in the list.
    let process = Process::by_id(id)?;
    // Read again: before the pidfd was open, another process may have got the id.
    is_socket(&descriptor, inode).then_some(process)
}

/// Returns the path of a descriptor of that process which is the socket.
fn descriptor_of(id: u32, inode: u32) -> Option<PathBuf> {
    let descriptors = std::fs::read_dir(format!("/proc/{id}/fd")).ok()?;
    descriptors.filter_map(|entry| Some(entry.ok()?.path())).find(|path| is_socket(path, inode))
}

fn is_socket(descriptor: &Path, inode: u32) -> bool {
    std::fs::read_link(descriptor).is_ok_and(|link| link.as_os_str() == format!("socket:[{inode}]").as_str())
}

/// Returns the id that the kernel gave out last: the last field of `/proc/loadavg`.
fn newest_id() -> Option<u32> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next_back()?.parse().ok()
}

/// Returns how many ids were given out after this one. After the largest id, the kernel begins again with small ones,
/// so ids above the newest are the oldest.
fn age(id: u32, newest: u32) -> u32 {
    newest.wrapping_sub(id)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::{AsFd, AsRawFd};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn the_newest_processes_are_tried_first() {
        let mut ids = [5, 90, 100, 70, 4_000, 101];
        ids.sort_unstable_by_key(|id| age(*id, 100));
        assert_eq!(ids, [100, 90, 70, 5, 4_000, 101]);
        assert!(newest_id().unwrap() > 0);
    }

    #[test]
    fn the_holder_is_found_among_new_and_old_processes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = |id: &str, number: i32| std::fs::read_link(format!("/proc/{id}/fd/{number}")).unwrap();
        let inode = |link: PathBuf| {
            let text = link.to_str().unwrap().to_owned();
            text.trim_start_matches("socket:[").trim_end_matches(']').parse().unwrap()
        };
        let own =
            TcpPeer { uid: crate::own_uid(), inode: inode(link("self", listener.as_raw_fd())), cgroup: None };
        assert_eq!(holder_of(own).unwrap().pid(), std::process::id());
        // A new process that alone holds the socket.
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpPeer { inode: inode(link("self", other.as_raw_fd())), ..own };
        let mut child = Command::new("sleep")
            .arg("60")
            .stdin(Stdio::from(other.as_fd().try_clone_to_owned().unwrap()))
            .spawn()
            .unwrap();
        drop(other);
        assert!(holder_among(peer, [std::process::id()]).is_none(), "another process does not hold it");
        assert_eq!(holder_among(peer, [1, child.id()]).unwrap().pid(), child.id());
        for found in [new_holder_of(peer), holder_of(peer)] {
            // The newest of these ids may all belong to processes that other tests have started meanwhile.
            let Some(found) = found else { continue };
            assert_eq!(found.pid(), child.id());
        }
        assert_eq!(holder_of(peer).unwrap().program().unwrap().name, "sleep");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(holder_of(peer).is_none(), "no process holds it any more");
    }
}
