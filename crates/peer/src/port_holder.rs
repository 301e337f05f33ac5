//! The program that listens on a port that the daemon needs.

use ssod_model::Program;

#[cfg(target_os = "linux")]
use crate::socket_holder::holder_of_socket;
#[cfg(not(target_os = "linux"))]
use crate::unsupported::holder_of_socket;

/// Who listens on a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortHolder {
    /// The user.
    pub uid: u32,
    /// The program; `None` if it belongs to another user, or hides its descriptors as a daemon of ssod does.
    pub program: Option<Program>,
}

/// Returns who listens on that port of 127.0.0.1. It reads the kernel's whole socket tables and this user's processes,
/// which takes milliseconds, so it serves error messages and not requests.
pub fn port_holder(port: u16) -> Option<PortHolder> {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let Listener { uid, inode } = listener(&read("/proc/net/tcp"), &read("/proc/net/tcp6"), port)?;
    Some(PortHolder { uid, program: holder_of_socket(inode).and_then(|process| process.program()) })
}

/// A socket that listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Listener {
    uid: u32,
    inode: u32,
}

/// Prefers a listener on the address itself to one on all addresses, and that to a dual-stack one.
fn listener(tcp: &str, tcp6: &str, port: u16) -> Option<Listener> {
    let listener_on = |table: &str, address: &str| {
        let local = format!("{address}:{port:04X}");
        table.lines().skip(1).find_map(|line| parse_listener(line, &local))
    };
    listener_on(tcp, "0100007F")
        .or_else(|| listener_on(tcp, "00000000"))
        .or_else(|| listener_on(tcp6, "00000000000000000000000000000000"))
}

/// Parses a line such as `0: 0100007F:1E42 00000000:0000 0A …`; state 0A is LISTEN, the eighth field is the uid, and
/// the tenth is the inode.
fn parse_listener(line: &str, local: &str) -> Option<Listener> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    if fields.get(1) != Some(&local) || fields.get(3) != Some(&"0A") {
        return None;
    }
    Some(Listener { uid: fields.get(7)?.parse().ok()?, inode: fields.get(9)?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn finds_the_user_and_the_program_that_listens_on_a_port() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let holder = port_holder(socket.local_addr().unwrap().port()).unwrap();
        assert_eq!(holder.uid, crate::own_uid());
        assert_eq!(holder.program.unwrap().pid, std::process::id());
    }

    #[test]
    fn ignores_listeners_on_other_addresses() {
        let table = "sl local\n\
            0: 0200007F:1E42 00000000:0000 0A 0:0 0:0 0 1000 0 1\n\
            1: 0100007F:1E42 00000000:0000 01 0:0 0:0 0 1000 0 2\n\
            2: 0100007F:1E42 00000000:0000 0A 0:0 0:0 0 1001 0 3\n";
        assert_eq!(listener(table, "", 7746), Some(Listener { uid: 1001, inode: 3 }));
        assert_eq!(
            listener("sl\n0: 00000000:1E42 00000000:0000 0A 0:0 0:0 0 1002 0 4\n", "", 7746),
            Some(Listener { uid: 1002, inode: 4 })
        );
        assert_eq!(listener(table, "", 7747), None);
    }
}
