//! Finds the programs behind connections, while the connections are open. The searches use a limited share of the time.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use ssod_model::Program;
use ssod_peer::TcpPeer;

use super::budget::Budget;
use super::note::{Note, NotedCaller};

/// A caller that waited this long for its search probably has its answer already, so the newest processes are not tried.
const MAX_SEARCH_DELAY: Duration = Duration::from_millis(50);
/// The maximum number of programs in the cache.
const CACHE_CAPACITY: usize = 512;
/// How many processes that were found last are tried before all processes are listed.
const RECENT_PROCESSES: usize = 16;

/// Who made a request, as far as it could be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// This program.
    Program(Program),
    /// The process with this id, whose program is not known.
    Process(u32),
    /// A program that has ended, in the cgroup of that path.
    Cgroup(String),
    /// Nothing is known.
    Unknown,
}

/// A cache of the programs that were found, by the inodes of their sockets. Each log has its own, so that refusals use
/// up neither the cache nor the time of the searches for those who got credentials.
pub(super) struct Programs {
    known: HashMap<u32, Program>,
    /// The inodes in the cache, oldest first.
    oldest: VecDeque<u32>,
    /// The ids of the processes that were found last, the newest first. Most programs connect again and again.
    recent: VecDeque<u32>,
    /// The path of the cgroup that was searched last, because most short commands come from one terminal.
    last_cgroup: Option<(u64, Option<String>)>,
    /// For searches among a few processes.
    quick: Budget,
    /// For searches among all processes, which take much longer.
    full: Budget,
}

impl Programs {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            known: HashMap::new(),
            oldest: VecDeque::new(),
            recent: VecDeque::new(),
            last_cgroup: None,
            quick: Budget::new(now),
            full: Budget::new(now),
        }
    }

    /// Returns who made the request. No answer waits for the search among all processes.
    pub(super) fn origin(&mut self, note: &mut Note) -> Origin {
        let tried = note.tried.take();
        match &note.caller {
            NotedCaller::Tcp { peer, is_new } => {
                let age = note.noted.elapsed();
                self.behind(*peer, *is_new, age, || drop(tried))
            }
            NotedCaller::Control { program: Some(program), .. } => Origin::Program(program.clone()),
            NotedCaller::Control { pid: 0, .. } | NotedCaller::OtherUser => Origin::Unknown,
            NotedCaller::Control { pid, .. } => Origin::Process(*pid),
        }
    }

    /// Finds who is at the other end of a TCP connection of this user. `tried` is called when the newest processes have
    /// been tried: no short command needs to stay longer.
    fn behind(&mut self, peer: TcpPeer, is_new: bool, age: Duration, tried: impl FnOnce()) -> Origin {
        if peer.inode == 0 {
            return Origin::Unknown;
        }
        if is_new {
            // Another connection may have had this inode.
            self.known.remove(&peer.inode);
        } else if let Some(program) = self.known.get(&peer.inode) {
            return Origin::Program(program.clone());
        }
        let recent = &self.recent;
        let is_stale = age > MAX_SEARCH_DELAY;
        let search_new = || {
            let new = || if is_stale { None } else { ssod_peer::new_holder_of(peer) };
            let found = ssod_peer::holder_among(peer, recent.iter().copied()).or_else(new);
            found.and_then(|process| process.program())
        };
        let new = self.quick.spend(search_new).flatten();
        tried();
        // Checks every process, unless searches have already taken their share of the time.
        let search = || ssod_peer::holder_of(peer).and_then(|process| process.program());
        match new.or_else(|| self.full.spend(search).flatten()) {
            Some(program) => {
                self.remember(peer.inode, program.clone());
                Origin::Program(program)
            }
            None => peer.cgroup.and_then(|id| self.cgroup_path(id)).map_or(Origin::Unknown, Origin::Cgroup),
        }
    }

    fn remember(&mut self, inode: u32, program: Program) {
        self.recent.retain(|pid| *pid != program.pid);
        self.recent.push_front(program.pid);
        self.recent.truncate(RECENT_PROCESSES);
        if self.known.insert(inode, program).is_none() {
            self.oldest.push_back(inode);
        }
        if self.oldest.len() > CACHE_CAPACITY
            && let Some(inode) = self.oldest.pop_front()
        {
            self.known.remove(&inode);
        }
    }

    /// Returns the path of the cgroup, within the same share of the time.
    fn cgroup_path(&mut self, id: u64) -> Option<String> {
        if let Some((known, path)) = &self.last_cgroup
            && *known == id
        {
            return path.clone();
        }
        let path = self.full.spend(|| ssod_peer::cgroup_path(id))?;
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
        let is_own =
            |origin: Origin| matches!(origin, Origin::Program(program) if program.pid == std::process::id());
        assert!(is_own(programs.behind(peer, true, Duration::ZERO, || was_tried = true)) && was_tried);
        drop(client);
        // It is named although it has closed the connection meanwhile, but a new connection with its inode is not.
        assert!(is_own(programs.behind(peer, false, Duration::ZERO, || {})));
        assert!(!is_own(programs.behind(peer, true, Duration::ZERO, || {})));
    }

    #[test]
    fn a_program_that_has_ended_is_named_by_its_cgroup() {
        let inode = u32::MAX;
        let mut programs = Programs::new();
        programs.last_cgroup = Some((7, Some("/user.slice/session-3.scope".to_owned())));
        let behind = |programs: &mut Programs, peer| programs.behind(peer, true, Duration::ZERO, || {});
        let scope = Origin::Cgroup("/user.slice/session-3.scope".to_owned());
        assert_eq!(behind(&mut programs, own(inode, Some(7))), scope);
        // The cgroup of this connection no longer exists.
        assert_eq!(behind(&mut programs, own(inode, Some(u64::MAX))), Origin::Unknown);
        assert_eq!(behind(&mut programs, own(0, Some(7))), Origin::Unknown, "its socket is not known");
    }

    #[test]
    fn the_cache_stays_within_its_capacity() {
        let mut programs = Programs::new();
        let program = Program { pid: 1, path: "/bin/p".to_owned(), name: "p".to_owned() };
        for inode in 0..3_000 {
            programs.remember(inode % 1_500, program.clone());
        }
        assert!(programs.known.len() <= CACHE_CAPACITY && programs.oldest.len() <= CACHE_CAPACITY);
    }
}
