//! Finds the programs behind connections, while the connections are open. The searches use a limited share of the time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ssod_model::Program;
use ssod_peer::TcpPeer;

use super::note::CallerProcess;

/// A connection that waited this long for its search probably has its answer already, so it is not searched.
const MAX_SEARCH_DELAY: Duration = Duration::from_millis(50);
/// The maximum number of programs in the cache.
const CACHE_CAPACITY: usize = 512;

/// A cache of the programs that were found.
pub(super) struct Programs {
    /// By the inodes of their sockets, oldest first.
    known: VecDeque<(u32, Program)>,
    next_search_at: Instant,
}

impl Programs {
    pub(super) fn new() -> Self {
        Self { known: VecDeque::new(), next_search_at: Instant::now() }
    }

    /// Finds the program that holds that socket, and caches it for the note that follows.
    pub(super) fn look_up(&mut self, inode: u32, opened: Instant) {
        self.known.retain(|(known, _)| *known != inode);
        if opened.elapsed() > MAX_SEARCH_DELAY {
            return;
        }
        if let Some(program) = self.search(inode) {
            if self.known.len() >= CACHE_CAPACITY {
                self.known.pop_front();
            }
            self.known.push_back((inode, program));
        }
    }

    /// Returns the program at the other end of a TCP connection, if this user made the connection.
    pub(super) fn behind(&mut self, uid: Option<u32>, caller: CallerProcess) -> Option<Program> {
        match caller {
            CallerProcess::Socket(inode) if uid == Some(ssod_peer::own_uid()) && inode != 0 => {
                let known = self.known.iter().rev().find(|(known, _)| *known == inode);
                let known = known.map(|(_, program)| program.clone());
                known.or_else(|| self.search(inode))
            }
            _ => None,
        }
    }

    /// Checks every process. Searches take at most a fifth of the time: if connections arrive faster than that allows,
    /// most are not searched.
    fn search(&mut self, inode: u32) -> Option<Program> {
        let begun = Instant::now();
        if begun < self.next_search_at {
            return None;
        }
        let peer = TcpPeer { uid: ssod_peer::own_uid(), inode };
        let program = ssod_peer::holder_of(peer).and_then(|process| process.program());
        self.next_search_at = Instant::now() + begun.elapsed() * 4;
        program
    }
}
