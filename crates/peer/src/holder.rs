//! Who holds a port that should be ours.

/// The uid of whoever listens on that TCP port of this machine. Reads the kernel's whole table, which takes
/// milliseconds: for an error message, not for a request.
pub fn port_holder(port: u16) -> Option<u32> {
    let table = std::fs::read_to_string("/proc/net/tcp").ok()?;
    table.lines().skip(1).find_map(|line| listening(line, port))
}

/// A line such as `0: 0100007F:1E42 00000000:0000 0A …`; state 0A is LISTEN, the eighth field the uid.
fn listening(line: &str, port: u16) -> Option<u32> {
    let mut fields = line.split_whitespace();
    let local = fields.nth(1)?;
    let state = fields.nth(1)?;
    let held = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
    if state != "0A" || held != port {
        return None;
    }
    fields.nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_holder_of_a_port_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(port_holder(listener.local_addr().unwrap().port()), Some(crate::own_uid()));
    }
}
