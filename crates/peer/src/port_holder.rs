//! The user whose program listens on a port that the daemon needs.

/// Returns the uid of the program that listens on that port of 127.0.0.1. It reads the kernel's whole socket tables,
/// which takes milliseconds, so it serves error messages and not requests.
pub fn port_holder(port: u16) -> Option<u32> {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    holder(&read("/proc/net/tcp"), &read("/proc/net/tcp6"), port)
}

/// Prefers a listener on the address itself to one on all addresses, and that to a dual-stack one.
fn holder(tcp: &str, tcp6: &str, port: u16) -> Option<u32> {
    let listener_on = |table: &str, address: &str| {
        let local = format!("{address}:{port:04X}");
        table.lines().skip(1).find_map(|line| listener_uid(line, &local))
    };
    listener_on(tcp, "0100007F")
        .or_else(|| listener_on(tcp, "00000000"))
        .or_else(|| listener_on(tcp6, "00000000000000000000000000000000"))
}

/// Parses a line such as `0: 0100007F:1E42 00000000:0000 0A …`; state 0A is LISTEN, and the eighth field is the uid.
fn listener_uid(line: &str, local: &str) -> Option<u32> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    if fields.get(1) != Some(&local) || fields.get(3) != Some(&"0A") {
        return None;
    }
    fields.get(7)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn finds_the_user_who_listens_on_a_port() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(port_holder(listener.local_addr().unwrap().port()), Some(crate::own_uid()));
    }

    #[test]
    fn ignores_listeners_on_other_addresses() {
        let table = "sl local\n\
            0: 0200007F:1E42 00000000:0000 0A 0:0 0:0 0 1000 0 1\n\
            1: 0100007F:1E42 00000000:0000 01 0:0 0:0 0 1000 0 1\n\
            2: 0100007F:1E42 00000000:0000 0A 0:0 0:0 0 1001 0 1\n";
        assert_eq!(holder(table, "", 7746), Some(1001));
        assert_eq!(
            holder("sl\n0: 00000000:1E42 00000000:0000 0A 0:0 0:0 0 1002 0 1\n", "", 7746),
            Some(1002)
        );
        assert_eq!(holder(table, "", 7747), None);
    }
}
