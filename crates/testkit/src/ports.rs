//! Ports for programs that cannot be told to use any free one, because their settings name the port.

use std::fs::{self, File};
use std::net::TcpListener;
use std::sync::Mutex;

/// Below the range from which the kernel takes ports for clients and for port 0 (32768 and up), so that neither takes
/// one of these between the choice and its use.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// The lock files of this process, held until it ends.
static RESERVED: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// Returns a port on which no program listens, and reserves it for this process: other tests get other ports, even while
/// no program listens on this one yet.
pub fn free_port() -> u16 {
    let mut reserved = RESERVED.lock().unwrap();
    let user = rustix::process::geteuid().as_raw();
    let folder = std::env::temp_dir().join(format!("ssod-test-ports-{user}"));
    fs::create_dir_all(&folder).unwrap();
    // Processes start at different ports, so that they rarely compete for one.
    let start = std::process::id().wrapping_mul(7_919) % u32::from(COUNT);
    let start = u16::try_from(start).unwrap();
    for offset in 0..COUNT {
        let port = FIRST + (start + offset) % COUNT;
        let lock = File::create(folder.join(port.to_string())).unwrap();
        if lock.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            reserved.push(lock);
            return port;
        }
    }
    panic!("no port from {FIRST} to {} is free", FIRST + COUNT - 1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_given_out_once() {
        assert_ne!(free_port(), free_port());
    }
}
