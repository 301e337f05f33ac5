//! The process behind a connection, identified by a pidfd, so that a reused process id is noticed.

#[cfg(target_os = "linux")]
use std::fs::File;
#[cfg(target_os = "linux")]
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
#[cfg(target_os = "linux")]
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

#[cfg(target_os = "linux")]
use rustix::process::Pid;
use ssod_model::Program;

/// A process: its id, and a pidfd that keeps referring to it after the id is reused. Without a pidfd, the process has
/// no known program, because a wrong name in an audit log is worse than none.
#[derive(Clone, Debug, Default)]
pub struct Process {
    pid: u32,
    descriptor: Option<Arc<OwnedFd>>,
}

impl Process {
    /// Returns the process that connected a Unix socket. The kernel returns its pidfd from Linux 6.5 on; on older
    /// kernels the pidfd is opened by the id, while the connection is new.
    #[cfg(target_os = "linux")]
    pub(crate) fn of_peer(pid: Pid, connection: &impl AsFd) -> Self {
        use nix::errno::Errno;
        use nix::sys::socket::{getsockopt, sockopt::PeerPidfd};
        let descriptor = match getsockopt(connection, PeerPidfd) {
            Ok(descriptor) => Some(descriptor),
            Err(Errno::ENOPROTOOPT) => return Self::open(pid),
            // The process has ended, and its id may already be reused.
            Err(_) => None,
        };
        Self { pid: raw(pid), descriptor: descriptor.map(Arc::new) }
    }

    #[cfg(target_os = "linux")]
    fn open(pid: Pid) -> Self {
        let opened = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty());
        Self { pid: raw(pid), descriptor: opened.ok().map(Arc::new) }
    }

    /// Returns the process that has this id now.
    #[cfg(target_os = "linux")]
    pub fn by_id(pid: u32) -> Option<Self> {
        let process = Self::open(Pid::from_raw(pid.try_into().ok()?)?);
        process.is_alive().then_some(process)
    }

    /// Returns its id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns whether it still runs; the id of a process that has ended may be reused.
    pub fn is_alive(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let Some(descriptor) = &self.descriptor else { return false };
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        // A pidfd becomes readable when its process ends.
        poll(&mut [PollFd::new(descriptor.as_ref(), PollFlags::IN)], Some(&now)) == Ok(0)
    }

    /// Returns the program that it runs, or `None` if it has ended or belongs to another user.
    pub fn program(&self) -> Option<Program> {
        let path = std::fs::read_link(format!("/proc/{}/exe", self.pid)).ok()?;
        let name = program_name(&path, self.pid);
        // Checked last: if the process still runs now, what was read before is about this process.
        self.is_alive().then(|| Program { pid: self.pid, path: path.to_string_lossy().into_owned(), name })
    }

    /// Returns the process that started it, which shows which tool runs a helper.
    #[cfg(target_os = "linux")]
    pub fn parent(&self) -> Option<Self> {
        // Opened once, because to open the file again takes longer than to read it again.
        let stat = File::open(format!("/proc/{}/stat", self.pid)).ok()?;
        let id = parent_id(&stat)?;
        let parent = Self::by_id(id)?;
        // If both still run and are still parent and child, neither id was reused in between.
        (parent_id(&stat) == Some(id) && self.is_alive()).then_some(parent)
    }

    /// Returns `None`, because this platform does not report it.
    #[cfg(not(target_os = "linux"))]
    pub fn parent(&self) -> Option<Self> {
        None
    }
}

#[cfg(target_os = "linux")]
fn raw(pid: Pid) -> u32 {
    u32::try_from(pid.as_raw_nonzero().get()).unwrap_or_default()
}

/// Returns a script's own name instead of its interpreter's: the AWS CLI and many other tools are scripts.
fn program_name(path: &Path, pid: u32) -> String {
    let mut name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if name.starts_with("python") || name.starts_with("node") || name.starts_with("ruby") {
        name = script_name(pid).unwrap_or(name);
    }
    name.chars().filter(|character| !character.is_control()).take(64).collect()
}

fn script_name(pid: u32) -> Option<String> {
    let command_line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let mut arguments =
        command_line.split(|byte| *byte == 0).map(|argument| String::from_utf8_lossy(argument).into_owned());
    let script = arguments.nth(1).filter(|argument| !argument.is_empty() && !argument.starts_with('-'))?;
    script.rsplit('/').next().map(str::to_owned)
}

/// Reads the id of the parent from `/proc/PID/stat`, which the kernel writes anew for each read from its start.
#[cfg(target_os = "linux")]
fn parent_id(stat: &File) -> Option<u32> {
    // With one read instead of six, and one open file instead of two, the search for a parent takes 4% of the daemon's
    // CPU time for a control request instead of 10% (perf). The id is the fourth word, so a buffer that is too small for
    // the whole line is enough.
    let mut buffer = [0; 256];
    let length = stat.read_at(&mut buffer, 0).ok()?;
    parent_id_in(&String::from_utf8_lossy(buffer.get(..length)?))
}

/// Returns the id of the parent from the beginning of the line in `/proc/PID/stat`.
#[cfg(target_os = "linux")]
fn parent_id_in(stat: &str) -> Option<u32> {
    // The program's name is in parentheses and may itself contain some, so the last one counts.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::BufRead;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn identifies_its_own_process_and_its_parent() {
        let own = Process::by_id(std::process::id()).unwrap();
        assert!(own.program().unwrap().name.starts_with("ssod_peer"));
        assert_eq!(own.parent().unwrap().pid(), std::os::unix::process::parent_id());
        assert!(Process::by_id(0x7fff_fff0).is_none());
    }

    #[test]
    fn the_parent_is_found_behind_every_name_and_in_the_beginning_of_the_line() {
        for name in ["ssod", ") R 7 (", "a b) S 1 2", "(", ")", "\u{fffd}", &"x".repeat(64)] {
            let line = format!("12 ({name}) S 4194304 12 12 0 -1 {}", "18446744073709551615 ".repeat(50));
            let beginning: String = line.chars().take(256).collect();
            for text in [&line, &beginning] {
                assert_eq!(parent_id_in(text), Some(4_194_304), "{text}");
            }
        }
        assert_eq!(parent_id_in("12 (ssod) S"), None);
    }

    #[test]
    fn a_parent_that_ends_is_not_the_parent_any_more() {
        // The shell starts a process that outlives it, and reports the id of that process.
        let shell = "sleep 60 >/dev/null 2>&1 & echo $!; read line";
        let mut shell = Command::new("/bin/sh")
            .args(["-c", shell])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let child = Process::by_id(line.trim().parse().unwrap()).unwrap();
        let stat = File::open(format!("/proc/{}/stat", child.pid())).unwrap();
        assert_eq!(parent_id(&stat), Some(shell.id()));
        assert_eq!(child.parent().unwrap().pid(), shell.id());
        drop(shell.stdin.take());
        shell.wait().unwrap();
        // The open file shows the new parent, not what it showed before.
        assert_ne!(parent_id(&stat), Some(shell.id()));
        let pid = Pid::from_raw(child.pid().try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }

    /// The id of a process that has ended may be reused, so it must not name a program.
    #[test]
    fn a_process_that_has_ended_has_no_program_even_if_its_id_is_reused() {
        let mut child = Command::new("sleep").arg("60").stdout(Stdio::null()).spawn().unwrap();
        let process = Process::by_id(child.id()).unwrap();
        assert_eq!(process.program().unwrap().name, "sleep");
        // A reused id: the id belongs to a running process, but the descriptor does not.
        let reused = Process { pid: std::process::id(), descriptor: process.descriptor.clone() };
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(std::fs::read_link(format!("/proc/{}/exe", reused.pid)).is_ok());
        assert_eq!(reused.program(), None);
        assert_eq!(process.program(), None);
        assert_eq!(
            Process { pid: std::process::id(), descriptor: None }.program(),
            None,
            "a process without a pidfd has no program either"
        );
    }
}
