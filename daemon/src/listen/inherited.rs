//! Sockets that a service manager opened and keeps open while the daemon restarts, so that no connection is refused and
//! no other program gets the port meanwhile. A socket is identified by its address.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use listenfd::ListenFd;

/// The inherited sockets that have not been taken yet.
#[derive(Debug, Default)]
pub struct Inherited {
    control: Vec<UnixListener>,
    ports: BTreeMap<u16, TcpListener>,
}

impl Inherited {
    /// Takes the sockets that the environment names (`LISTEN_FDS`, sd_listen_fds(3)), and clears those variables, so it
    /// must run before any thread starts. Fails if a socket is not on 127.0.0.1.
    pub fn from_environment() -> Result<Self> {
        let inherited = Self::classify(ListenFd::from_env())?;
        #[cfg(target_os = "macos")]
        let inherited = if inherited.has_ports() { inherited } else { launchd::sockets() };
        Ok(inherited)
    }

    fn classify(mut all: ListenFd) -> Result<Self> {
        let mut inherited = Self::default();
        for index in 0..all.len() {
            // A socket of another kind stays open and unused.
            if let Ok(Some(listener)) = all.take_unix_listener(index) {
                listener.set_nonblocking(true)?;
                inherited.control.push(listener);
            } else if let Ok(Some(listener)) = all.take_tcp_listener(index) {
                listener.set_nonblocking(true)?;
                let address = listener
                    .local_addr()
                    .context("the service manager passed a socket without an address")?;
                ensure!(
                    address.ip() == Ipv4Addr::LOCALHOST,
                    "the service manager opened {address}, but ssod serves on 127.0.0.1 only. Change ListenStream= in ssod.socket"
                );
                inherited.ports.insert(address.port(), listener);
            } else {
                tracing::warn!(index, "the service manager passed a socket that ssod does not use");
            }
        }
        Ok(inherited)
    }

    /// Returns whether any port was inherited and not taken yet.
    pub(crate) fn has_ports(&self) -> bool {
        !self.ports.is_empty()
    }

    /// Returns the ports that were not taken yet.
    pub(crate) fn ports(&self) -> impl Iterator<Item = u16> {
        self.ports.keys().copied()
    }

    /// Takes the listener on the port.
    pub(crate) fn take_port(&mut self, port: u16) -> Option<TcpListener> {
        self.ports.remove(&port)
    }

    /// Returns whether there is a listener on the path.
    pub(crate) fn has_control(&self, path: &Path) -> bool {
        self.control.iter().any(|listener| is_at(listener, path))
    }

    /// Takes the listener on the path.
    pub(crate) fn take_control(&mut self, path: &Path) -> Option<UnixListener> {
        let index = self.control.iter().position(|listener| is_at(listener, path))?;
        Some(self.control.remove(index))
    }
}

/// The sockets that the launchd plist names. This is not tested on a Mac.
#[cfg(target_os = "macos")]
mod launchd {
    use std::fs::OpenOptions;
    use std::net::TcpListener;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixListener;

    use super::Inherited;

    pub(super) fn sockets() -> Inherited {
        let mut inherited = Inherited::default();
        for listener in descriptors("endpoint").map(TcpListener::from) {
            if let Ok(address) =
                listener.local_addr().and_then(|at| listener.set_nonblocking(true).map(|()| at))
            {
                inherited.ports.insert(address.port(), listener);
            }
        }
        let control = descriptors("control").map(UnixListener::from);
        inherited.control = control.filter(|listener| listener.set_nonblocking(true).is_ok()).collect();
        inherited
    }

    /// Returns the sockets with the given name; none without launchd. launchd returns bare numbers; opening /dev/fd/N
    /// creates an owned descriptor for the same socket (fd(4)) without `unsafe`.
    fn descriptors(name: &str) -> impl Iterator<Item = OwnedFd> {
        let numbers = raunch::activate_socket(name).unwrap_or_default();
        let open = |number| OpenOptions::new().read(true).write(true).open(format!("/dev/fd/{number}"));
        numbers.into_iter().filter_map(move |number| open(number).ok().map(OwnedFd::from))
    }
}

fn is_at(listener: &UnixListener, path: &Path) -> bool {
    listener.local_addr().is_ok_and(|address| address.as_pathname() == Some(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_identified_by_their_addresses() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one.sock"), folder.path().join("other.sock"));
        let endpoint = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = endpoint.local_addr().unwrap().port();
        let mut inherited = Inherited {
            control: vec![UnixListener::bind(&one).unwrap(), UnixListener::bind(&other).unwrap()],
            ports: BTreeMap::from([(port, endpoint)]),
        };
        assert!(inherited.take_control(&folder.path().join("none.sock")).is_none());
        let taken = inherited.take_control(&other).unwrap();
        assert_eq!(taken.local_addr().unwrap().as_pathname(), Some(other.as_path()));
        assert!(inherited.take_port(port.wrapping_add(1)).is_none() && inherited.has_ports());
        assert!(inherited.take_port(port).is_some() && !inherited.has_ports());
    }
}
