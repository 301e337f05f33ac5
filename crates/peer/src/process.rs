//! The process behind a connection, held so that its id cannot become another's unnoticed.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::process::Pid;
use ssod_model::Program;

/// A process, by its id and a descriptor that stays with it (a pidfd). Where the kernel gives none, nothing is told
/// about the process: a wrong name in an audit log is worse than none.
#[derive(Clone, Debug, Default)]
pub struct Process {
    pid: u32,
    descriptor: Option<Arc<OwnedFd>>,
}

impl Process {
    /// The process that connected a Unix socket. From Linux 6.5 on the kernel itself hands out its descriptor; before, it
    /// is opened by the id, while the connection is new.
    #[cfg(target_os = "linux")]
    pub(crate) fn of_peer(pid: Pid, connection: &impl AsFd) -> Self {
        use nix::errno::Errno;
        use nix::sys::socket::{getsockopt, sockopt::PeerPidfd};
        let descriptor = match getsockopt(connection, PeerPidfd) {
            Ok(descriptor) => Some(descriptor),
            Err(Errno::ENOPROTOOPT) => return Self::opened(pid),
            // It has ended, and its id may be another's.
            Err(_) => None,
        };
        Self { pid: number(pid), descriptor: descriptor.map(Arc::new) }
    }

    #[cfg(target_os = "linux")]
    fn opened(pid: Pid) -> Self {
        let opened = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty());
        Self { pid: number(pid), descriptor: opened.ok().map(Arc::new) }
    }

    /// The process of that id, as it is now.
    #[cfg(target_os = "linux")]
    pub fn by_id(pid: u32) -> Option<Self> {
        let process = Self::opened(Pid::from_raw(pid.try_into().ok()?)?);
        process.is_alive().then_some(process)
    }

    /// Its id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it has not ended; an ended one's id may be another's.
    pub fn is_alive(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let Some(descriptor) = &self.descriptor else { return false };
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        // A pidfd becomes readable when its process ends.
        poll(&mut [PollFd::new(descriptor.as_ref(), PollFlags::IN)], Some(&now)) == Ok(0)
    }

    /// What it runs; `None` where it has ended, or belongs to somebody else.
    pub fn program(&self) -> Option<Program> {
        let path = std::fs::read_link(format!("/proc/{}/exe", self.pid)).ok()?;
        let name = name_of(&path, self.pid);
        // Looked at last: what was read before is this process's if it still lives now.
        self.is_alive().then(|| Program { pid: self.pid, path: path.to_string_lossy().into_owned(), name })
    }

    /// The process that started it; it tells which tool runs a helper.
    #[cfg(target_os = "linux")]
    pub fn parent(&self) -> Option<Self> {
        let id = parent_id(self.pid)?;
        let parent = Self::by_id(id)?;
        // Still the parent, and still its child: then neither id was another's in between.
        (parent_id(self.pid) == Some(id) && self.is_alive()).then_some(parent)
    }

    /// Not told on this platform.
    #[cfg(not(target_os = "linux"))]
    pub fn parent(&self) -> Option<Self> {
        None
    }
}

#[cfg(target_os = "linux")]
fn number(pid: Pid) -> u32 {
    u32::try_from(pid.as_raw_nonzero().get()).unwrap_or_default()
}

/// The process that holds the client's end of that connection. Looks at every process of this user, which takes
/// milliseconds: not for the path of a request.
#[cfg(target_os = "linux")]
pub fn holder_of(peer: crate::TcpPeer) -> Option<Process> {
    let wanted = format!("socket:[{}]", peer.inode);
    let holds = |process: &Process| {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", process.pid)).ok()?;
        let mut links = descriptors.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        links.any(|link| link.as_os_str() == wanted.as_str()).then_some(())
    };
    let ids = std::fs::read_dir("/proc").ok()?.filter_map(|entry| {
        let entry = entry.ok()?;
        entry.file_name().to_str()?.parse().ok()
    });
    ids.filter_map(Process::by_id).find(|process| holds(process).is_some())
}

/// The AWS CLI and most of its like are scripts: their own name says more than their interpreter's.
fn name_of(path: &Path, pid: u32) -> String {
    let mut name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if name.starts_with("python") || name.starts_with("node") || name.starts_with("ruby") {
        name = script_of(pid).unwrap_or(name);
    }
    name.chars().filter(|character| !character.is_control()).take(64).collect()
}

fn script_of(pid: u32) -> Option<String> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let mut words = line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
    let script = words.nth(1).filter(|word| !word.is_empty() && !word.starts_with('-'))?;
    script.rsplit('/').next().map(str::to_owned)
}

#[cfg(target_os = "linux")]
fn parent_id(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name stands in parentheses and may contain anything, so the last one counts.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn this_test_knows_itself_and_its_parent() {
        let own = Process::by_id(std::process::id()).unwrap();
        assert!(own.program().unwrap().name.starts_with("ssod_peer"));
        assert_eq!(own.parent().unwrap().pid(), std::os::unix::process::parent_id());
        assert!(Process::by_id(0x7fff_fff0).is_none());
    }

    /// The id of a process that ended may be another's by the time somebody asks, so it names nobody.
    #[test]
    fn a_process_that_has_ended_is_nobody_even_while_its_id_still_answers() {
        let mut child = Command::new("sleep").arg("60").stdout(Stdio::null()).spawn().unwrap();
        let process = Process::by_id(child.id()).unwrap();
        assert_eq!(process.program().unwrap().name, "sleep");
        // Somebody else's process under the same id, as after a wrap of the ids: the descriptor is not of it.
        let stolen = Process { pid: std::process::id(), descriptor: process.descriptor.clone() };
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(std::fs::read_link(format!("/proc/{}/exe", stolen.pid)).is_ok());
        assert_eq!(stolen.program(), None);
        assert_eq!(process.program(), None);
        assert_eq!(
            Process { pid: std::process::id(), descriptor: None }.program(),
            None,
            "unsure is nobody, too"
        );
    }
}
