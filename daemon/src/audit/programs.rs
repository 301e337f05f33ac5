//! Finds the programs behind connections, while the connections are open. The searches use a limited share of the time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ssod_model::Program;
use ssod_peer::TcpPeer;

use super::budget::Budget;
use super::note::CallerProcess;

/// A connection that waited this long for its search probably has its answer already, so it is not searched.
const MAX_SEARCH_DELAY: Duration = Duration::from_millis(50);
/// The maximum number of programs in the cache.
const CACHE_CAPACITY: usize = 512;

/// Who opened a connection, as far as it could be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// This program.
    Program(Program),
    /// A program that has ended, in the cgroup of that path.
    Cgroup(String),
    /// Nothing is known.
    Unknown,
}

/// A connection that a caller has opened.
struct Connection {
    peer: TcpPeer,
    program: Option<Program>,
}

/// A cache of the programs that were found.
pub(super) struct Programs {
    /// Oldest first.
    connections: VecDeque<Connection>,
    /// The path of the cgroup that was searched last, because most short commands come from one terminal.
    last_cgroup: Option<(u64, Option<String>)>,
    budget: Budget,
}

impl Programs {
    pub(super) fn new() -> Self {
        Self { connections: VecDeque::new(), last_cgroup: None, budget: Budget::new(Instant::now()) }
    }

    /// Finds the program that opened a connection, and caches it for the note that follows. `tried` is called when
    /// the newest processes have been tried: no short command needs to stay longer.
    pub(super) fn look_up(&mut self, peer: TcpPeer, opened: Instant, tried: impl FnOnce()) {
        self.connections.retain(|known| known.peer.inode != peer.inode);
        let is_stale = opened.elapsed() > MAX_SEARCH_DELAY;
        let search_new = || ssod_peer::new_holder_of(peer).and_then(|process| process.program());
        let new = if is_stale { None } else { self.budget.spend(search_new).flatten() };
        tried();
        let program = new.or_else(|| if is_stale { None } else { self.search(peer.inode) });
        if self.connections.len() >= CACHE_CAPACITY {
            self.connections.pop_front();
        }
        self.connections.push_back(Connection { peer, program });
    }

    /// Returns who is at the other end of a TCP connection, if this user made the connection.
    pub(super) fn behind(&mut self, uid: Option<u32>, caller: CallerProcess) -> Origin {
        let CallerProcess::Socket(inode) = caller else { return Origin::Unknown };
        if uid != Some(ssod_peer::own_uid()) || inode == 0 {
            return Origin::Unknown;
        }
        let known = self.connections.iter().rev().find(|known| known.peer.inode == inode);
        let (program, cgroup) =
            known.map_or((None, None), |known| (known.program.clone(), known.peer.cgroup));
        match program.or_else(|| self.search(inode)) {
            Some(program) => Origin::Program(program),
            None => cgroup.and_then(|id| self.cgroup_path(id)).map_or(Origin::Unknown, Origin::Cgroup),
        }
    }

    /// Checks every process, unless searches have already taken their share of the time: if connections arrive faster
    /// than that allows, most are not searched.
    fn search(&mut self, inode: u32) -> Option<Program> {
        let peer = TcpPeer { uid: ssod_peer::own_uid(), inode, cgroup: None };
        let search = || ssod_peer::holder_of(peer).and_then(|process| process.program());
        self.budget.spend(search).flatten()
    }

    /// Returns the path of the cgroup, within the same share of the time.
    fn cgroup_path(&mut self, id: u64) -> Option<String> {
        if let Some((known, path)) = &self.last_cgroup
            && *known == id
        {
            return path.clone();
        }
        let path = self.budget.spend(|| ssod_peer::cgroup_path(id))?;
        self.last_cgroup = Some((id, path.clone()));
        path
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{SocketAddr, TcpListener, TcpStream};

    use super::*;

    fn own(inode: u32, cgroup: Option<u64>) -> TcpPeer {
        TcpPeer { uid: ssod_peer::own_uid(), inode, cgroup }
    }

    #[test]
    fn a_program_that_holds_its_connection_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (SocketAddr::V4(from), SocketAddr::V4(to)) =
            (client.local_addr().unwrap(), client.peer_addr().unwrap())
        else {
            panic!("IPv6")
        };
        let peer = ssod_peer::tcp_peer(from, to).unwrap().unwrap();
        let mut programs = Programs::new();
        let mut was_tried = false;
        programs.look_up(peer, Instant::now(), || was_tried = true);
        drop(client);
        // It is named although it has closed the connection meanwhile.
        let origin = programs.behind(Some(peer.uid), CallerProcess::Socket(peer.inode));
        assert!(was_tried && matches!(origin, Origin::Program(program) if program.pid == std::process::id()));
    }

    #[test]
    fn a_program_that_has_ended_is_named_by_its_cgroup() {
        let inode = u32::MAX;
        let mut programs = Programs::new();
        programs.last_cgroup = Some((7, Some("/user.slice/session-3.scope".to_owned())));
        programs.look_up(own(inode, Some(7)), Instant::now(), || {});
        let behind = |programs: &mut Programs, uid| programs.behind(uid, CallerProcess::Socket(inode));
        let own_uid = Some(ssod_peer::own_uid());
        let scope = Origin::Cgroup("/user.slice/session-3.scope".to_owned());
        assert_eq!(behind(&mut programs, own_uid), scope);
        assert_eq!(behind(&mut programs, None), Origin::Unknown, "another user's connection is not searched");
        // The inode belongs to a new connection now, whose cgroup no longer exists.
        programs.look_up(own(inode, Some(u64::MAX)), Instant::now(), || {});
        assert_eq!(behind(&mut programs, own_uid), Origin::Unknown);
    }
}
