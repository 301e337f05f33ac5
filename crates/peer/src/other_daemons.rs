//! What `/proc` shows about daemons of other users or of other home folders, whose descriptors it hides.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns the ids of the processes with that name that run as that user. A process can choose its name, so this serves
/// messages only.
pub fn processes_named(name: &str, uid: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|id| {
        let read = |file: &str| fs::read_to_string(format!("/proc/{id}/{file}")).unwrap_or_default();
        read("comm").trim_end() == name && effective_uid(&read("status")) == Some(uid)
    })
    .collect()
}

/// Returns the effective uid, which is the second number of the line `Uid:`.
fn effective_uid(status: &str) -> Option<u32> {
    status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().nth(1)?.parse().ok()
}

/// Returns the paths of all Unix sockets that listen and have this file name.
pub fn listening_sockets(file_name: &str) -> Vec<PathBuf> {
    parse_listening(&fs::read_to_string("/proc/net/unix").unwrap_or_default(), file_name)
}

/// Parses lines such as `0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/x.sock`. The flag 10000 is
/// `__SO_ACCEPTCON`, and a path may have spaces.
fn parse_listening(table: &str, file_name: &str) -> Vec<PathBuf> {
    let path = |line: &str| {
        let fields: Vec<&str> = line.splitn(7, ' ').collect();
        // The inode is padded with spaces.
        let (_inode, path) = fields.get(6)?.trim_start().split_once(' ')?;
        let listens = fields.get(3) == Some(&"00010000");
        (listens && Path::new(path).file_name()? == file_name).then(|| PathBuf::from(path))
    };
    table.lines().filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listening_sockets_of_that_name_are_found() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 11 /home/a b/ssod/control.sock\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 12 /run/user/1/ssod/control.sock\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 1234567 /run/other.sock\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 14\n\
            0000000000000000: 00000002 00000000 00010000 0005 01   15 /run/user/1/ssod/control.sock\n";
        let found: Vec<_> = parse_listening(table, "control.sock");
        assert_eq!(
            found,
            [Path::new("/home/a b/ssod/control.sock"), Path::new("/run/user/1/ssod/control.sock")]
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_is_found_by_its_name_and_its_user() {
        let own = std::process::id();
        let name = fs::read_to_string("/proc/self/comm").unwrap();
        assert!(processes_named(name.trim_end(), crate::own_uid()).contains(&own));
        assert!(!processes_named(name.trim_end(), 0x7fff_fff0).contains(&own));
    }
}
