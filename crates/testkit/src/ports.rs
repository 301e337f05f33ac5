//! Free ports for programs that cannot select a port themselves, because their settings name it.

use std::fs::{self, File};
use std::net::TcpListener;
use std::sync::Mutex;

/// The first port. All ports are below the range from which the kernel selects ports for clients and for port 0 (32768
/// and up), so the kernel never takes one between its selection and its use.
const FIRST_PORT: u16 = 20_000;
const PORT_COUNT: u16 = 12_000;

/// The lock files of this process, held until it ends.
static RESERVED: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// Returns a port on which no program listens, and reserves it for this process: other tests get other ports, even
/// while no program listens on this one yet.
pub fn free_port() -> u16 {
    let mut reserved = RESERVED.lock().unwrap();
    let user = rustix::process::geteuid().as_raw();
    let folder = std::env::temp_dir().join(format!("ssod-test-ports-{user}"));
    fs::create_dir_all(&folder).unwrap();
    // Processes start at different ports, so that they rarely compete for one.
    let start = std::process::id().wrapping_mul(7_919) % u32::from(PORT_COUNT);
    let start = u16::try_from(start).unwrap();
    for offset in 0..PORT_COUNT {
        let port = FIRST_PORT + (start + offset) % PORT_COUNT;
        let lock = File::create(folder.join(port.to_string())).unwrap();
        if lock.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            reserved.push(lock);
            return port;
        }
    }
    panic!("no port from {FIRST_PORT} to {} is free", FIRST_PORT + PORT_COUNT - 1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_returns_another_port() {
        assert_ne!(free_port(), free_port());
    }
}
