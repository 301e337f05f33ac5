//! The programs behind connections, found as best they can be: looked for while the connection is busy, and not for longer than
//! anybody else can spare.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ssod_model::Program;
use ssod_peer::TcpPeer;

use super::Who;

/// A connection that waited for so long to be looked at has had its answer.
const STALE: Duration = Duration::from_millis(50);
/// More connections than this are not remembered at one time.
const REMEMBERED: usize = 512;

/// What was found.
pub(super) struct Programs {
    /// By their sockets, oldest first.
    known: VecDeque<(u32, Program)>,
    looks_again_at: Instant,
}

impl Programs {
    pub(super) fn new() -> Self {
        Self { known: VecDeque::new(), looks_again_at: Instant::now() }
    }

    /// Finds who holds that socket, and keeps it for the note that will come.
    pub(super) fn look_up(&mut self, inode: u32, opened: Instant) {
        self.known.retain(|(known, _)| *known != inode);
        if opened.elapsed() > STALE {
            return;
        }
        if let Some(program) = self.search(inode) {
            if self.known.len() >= REMEMBERED {
                self.known.pop_front();
            }
            self.known.push_back((inode, program));
        }
    }

    /// The program at the other end of a TCP connection of this user's.
    pub(super) fn behind(&mut self, uid: Option<u32>, who: &Who) -> Option<Program> {
        match who {
            Who::Socket(inode) if uid == Some(ssod_peer::own_uid()) && *inode != 0 => {
                let known = self.known.iter().rev().find(|(known, _)| known == inode);
                let known = known.map(|(_, program)| program.clone());
                known.or_else(|| self.search(*inode))
            }
            _ => None,
        }
    }

    /// Looks at every process, for a fifth of the time at most: where connections come faster than they can be looked at, most
    /// are not.
    fn search(&mut self, inode: u32) -> Option<Program> {
        let begun = Instant::now();
        if begun < self.looks_again_at {
            return None;
        }
        let peer = TcpPeer { uid: ssod_peer::own_uid(), inode };
        let program = ssod_peer::holder_of(peer).and_then(|process| process.program());
        self.looks_again_at = Instant::now() + begun.elapsed() * 4;
        program
    }
}
