//! Binds the endpoint's port on loopback and the control socket, or takes them over from a service manager.

use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use ssod_control::Paths;
use tokio::net::{TcpListener, TcpSocket, UnixListener};

use super::inherited::Inherited;
use super::port_taken::{self, PortSetting};
use crate::config::settings::{DEFAULT_PORT, Settings, SettingsError};
use crate::state_file::StateFile;

/// Large enough that a thousand clients that connect at the same time need no retransmission.
const BACKLOG: u32 = 1_024;

/// Returns the ports that a daemon with these settings serves: the endpoint's first, then those of IMDS.
pub fn ports(settings: &Settings, paths: &Paths) -> Result<Vec<u16>> {
    let saved = StateFile::load(&paths.memory())?.port();
    let port = settings.endpoint.port.or(saved).unwrap_or(DEFAULT_PORT);
    if let Some(mistake) = settings.port_conflict(Some(port)) {
        return Err(SettingsError::Invalid { path: paths.settings.clone(), mistake }.into());
    }
    Ok(std::iter::once(port).chain(settings.imds.profiles.values().copied()).collect())
}

/// Binds the endpoint's port: the configured one, else the saved one, else the default, else any free one. It chooses
/// any free one only at the very first start: later, open shells would send their tokens to the program that took the
/// port.
pub(crate) fn endpoint(
    configured: Option<u16>,
    state_file: &StateFile,
    inherited: &mut Inherited,
) -> Result<TcpListener> {
    let default = inherited.has_ports().then_some(DEFAULT_PORT);
    if let Some(port) = configured.or(state_file.port()).or(default)
        && let Some(listener) = inherited.take_port(port)
    {
        state_file.save_port(port)?;
        return Ok(TcpListener::from_std(listener)?);
    }
    if let Some(port) = configured.or(state_file.port()) {
        let listener = match bind(port) {
            Ok(listener) => listener,
            Err(error) => {
                if error.kind() == io::ErrorKind::AddrInUse && !is_held_by_this_user(port) {
                    // Open shells send their tokens there, so the next start renews the tokens.
                    state_file.save_port_was_taken(true)?;
                }
                return Err(port_taken::error(PortSetting::Endpoint, port, &error));
            }
        };
        state_file.save_port(port)?;
        return Ok(listener);
    }
    let listener = match bind(DEFAULT_PORT) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => bind(0),
        outcome => outcome,
    };
    let listener = listener.context("cannot listen on 127.0.0.1")?;
    state_file.save_port(listener.local_addr()?.port())?;
    Ok(listener)
}

/// Takes the control socket over from the service manager, or binds it with mode 0600. The caller holds the instance
/// lock, so an existing socket is stale.
pub(crate) fn control(path: &Path, inherited: &mut Inherited) -> Result<UnixListener> {
    if let Some(listener) = inherited.take_control(path) {
        return Ok(UnixListener::from_std(listener)?);
    }
    let shown = path.display();
    match std::fs::symlink_metadata(path) {
        Ok(facts) if facts.file_type().is_socket() => {
            std::fs::remove_file(path).with_context(|| format!("cannot remove the stale socket {shown}"))?;
        }
        Ok(_) => bail!("{shown} is not a socket. Remove it and start again"),
        Err(_) => {}
    }
    // The umask sets the mode during the bind. With a later chmod, other users could connect before it.
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let bound = UnixListener::bind(path);
    rustix::process::umask(before);
    bound.with_context(|| format!("cannot listen on {shown}"))
}

/// Binds that port on loopback.
pub(crate) fn bind(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    // A restart must not wait for connections in TIME_WAIT. On Linux this does not let another program share the port.
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    socket.listen(BACKLOG)
}

/// Returns whether a program of this user holds the port. Such a program could read the tokens anyway.
fn is_held_by_this_user(port: u16) -> bool {
    ssod_peer::port_holder(port).is_some_and(|holder| holder.uid == ssod_peer::own_uid())
}
