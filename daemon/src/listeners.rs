//! The sockets: bound to loopback, told apart, guarded by the caller's uid before a byte is read.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use anyhow::{Context, Result, bail};
use ssod_control::Paths;
use ssod_endpoint::{Admission, Caller, Endpoint, Limits, Port, serve};
use ssod_model::ProfileName;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::app::{LiveBroker, Shared};
use crate::audit::AuditLog;
use crate::inherited::Inherited;
use crate::memory::Memory;
use crate::settings::{DEFAULT_PORT, Settings};

/// A thousand clients at one instant must not wait for a retransmission.
const BACKLOG: u32 = 1_024;

/// The ports that a daemon with these settings serves: the endpoint's, then those of IMDS.
pub fn ports(settings: &Settings, paths: &Paths) -> Result<Vec<u16>> {
    let remembered = Memory::load(&paths.memory())?.port();
    let port = settings.endpoint.port.or(remembered).unwrap_or(DEFAULT_PORT);
    Ok(std::iter::once(port).chain(settings.imds.profiles.values().copied()).collect())
}

/// Binds the endpoint's port: the configured one, else the remembered one, else the default, else any. Only at the
/// very first start may it be any: later, tokens of open shells would be sent to whoever took the port.
pub(crate) fn endpoint(
    configured: Option<u16>,
    memory: &Memory,
    inherited: &mut Inherited,
) -> Result<TcpListener> {
    let first = inherited.has_ports().then_some(DEFAULT_PORT);
    if let Some(port) = configured.or(memory.port()).or(first)
        && let Some(listener) = inherited.take_port(port)
    {
        memory.keep_port(port)?;
        return Ok(TcpListener::from_std(listener)?);
    }
    if let Some(port) = configured.or(memory.port()) {
        let listener = match bind(port) {
            Ok(listener) => listener,
            Err(error) => {
                if error.kind() == io::ErrorKind::AddrInUse && !is_ours(port) {
                    // Open shells send their tokens there: at the next start they get new ones.
                    memory.keep_port_was_taken(true)?;
                }
                return Err(taken(port, &error));
            }
        };
        memory.keep_port(port)?;
        return Ok(listener);
    }
    let listener = match bind(DEFAULT_PORT) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => bind(0),
        outcome => outcome,
    };
    let listener = listener.context("cannot listen on 127.0.0.1")?;
    memory.keep_port(listener.local_addr()?.port())?;
    Ok(listener)
}

/// Takes the control socket over from the service manager, or binds it with mode 0600. The caller holds the instance lock, so whatever socket is there is stale.
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
    // By umask before the bind: a mode that is set afterwards leaves a moment in which others could connect.
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let bound = UnixListener::bind(path);
    rustix::process::umask(before);
    bound.with_context(|| format!("cannot listen on {shown}"))
}

/// Answers SDKs until the stop.
pub(crate) async fn serve_endpoint(shared: Arc<Shared>, listener: TcpListener) {
    let endpoint =
        Endpoint::new(shared.surroundings(), Port::Main { imds: shared.imds_enabled.clone() }, shared.port);
    serve(
        listener,
        shared.capacities.endpoint.clone(),
        Limits::default(),
        admit(endpoint, shared.audit.clone()),
        shared.stopped(),
    )
    .await;
}

/// A port that serves one profile's IMDS; dropping `stop` closes it.
pub(crate) struct ImdsListener {
    pub(crate) port: u16,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Makes the open IMDS ports those that `[imds] profiles` names: closes first, so that a port can change hands.
pub(crate) async fn settle_imds_ports(shared: &Arc<Shared>) {
    let settings = shared.settings();
    let wanted = &settings.imds.profiles;
    let closing: Vec<ImdsListener> = {
        let mut open = shared.imds_ports.lock().unwrap_or_else(PoisonError::into_inner);
        open.extract_if(.., |name, listener| wanted.get(name) != Some(&listener.port))
            .map(|(_, closed)| closed)
            .collect()
    };
    for ImdsListener { stop, task, .. } in closing {
        drop(stop);
        // One that panicked has said so, and is closed all the same.
        let _ = task.await;
    }
    let mut problems = Vec::new();
    for (name, port) in wanted {
        let mut open = shared.imds_ports.lock().unwrap_or_else(PoisonError::into_inner);
        if open.contains_key(name) {
            continue;
        }
        let held = shared.inherited.lock().unwrap_or_else(PoisonError::into_inner).take_port(*port);
        let listener = held.map_or_else(|| bind(*port), TcpListener::from_std);
        match (ProfileName::parse(name), listener) {
            (Ok(profile), Ok(listener)) => {
                open.insert(name.clone(), serve_imds(shared, profile, *port, listener));
            }
            (Err(error), _) => problems.push(format!("[imds] profiles: {error}")),
            (_, Err(error)) => problems.push(format!("{:#}", taken(*port, &error))),
        }
    }
    let unused = shared.inherited.lock().unwrap_or_else(PoisonError::into_inner).ports().collect::<Vec<_>>();
    problems.extend(unused.iter().map(|port| {
        format!(
            "the service manager holds port {port}, which the settings do not name. Run: ssod service install"
        )
    }));
    for problem in &problems {
        tracing::warn!("{problem}");
    }
    shared.problems.lock().unwrap_or_else(PoisonError::into_inner).imds = problems;
}

fn serve_imds(shared: &Arc<Shared>, profile: ProfileName, port: u16, listener: TcpListener) -> ImdsListener {
    let endpoint = Endpoint::new(shared.surroundings(), Port::Imds(profile), port);
    let (stop, closed) = oneshot::channel();
    let stopped = shared.stopped();
    let until = async move {
        tokio::select! {
            () = stopped => {}
            // Nothing is ever sent: the sender is dropped.
            _ = closed => {}
        }
    };
    let capacity = shared.capacities.endpoint.clone();
    let task = tokio::spawn(serve(
        listener,
        capacity,
        Limits::default(),
        admit(endpoint, shared.audit.clone()),
        until,
    ));
    ImdsListener { port, stop, task }
}

/// Finds out whose each connection is, once, before a byte of it is read. What that means for its requests is the guard's
/// to say; here it decides whose share of the connections it takes. No answer from the kernel counts as a stranger.
fn admit(
    endpoint: Endpoint<LiveBroker>,
    audit: Arc<AuditLog>,
) -> impl Fn(&TcpStream, &SocketAddr) -> Admission {
    move |connection, client| {
        let (SocketAddr::V4(client), Ok(SocketAddr::V4(server))) = (client, connection.local_addr()) else {
            return Admission::Closed;
        };
        // Answers are one small write; waiting to batch it would only delay it.
        let _ = connection.set_nodelay(true);
        let peer = ssod_peer::tcp_peer(*client, server).unwrap_or_else(|error| {
            tracing::error!(%error, "cannot tell whose connection it is; it is refused");
            None
        });
        let (uid, inode) = (peer.map(|peer| peer.uid), peer.map_or(0, |peer| peer.inode));
        let router = endpoint.router(Caller { uid, inode });
        if uid == Some(ssod_peer::own_uid()) {
            audit.opened(inode);
            Admission::Own(router)
        } else {
            Admission::Stranger(router)
        }
    }
}

fn bind(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    // A restart must not wait for the old connections' last timers; on Linux this lets nobody else in.
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    socket.listen(BACKLOG)
}

/// Whether a program of this user holds the port. It could read the tokens anyway.
fn is_ours(port: u16) -> bool {
    ssod_peer::port_holder(port) == Some(ssod_peer::own_uid())
}

fn taken(port: u16, error: &io::Error) -> anyhow::Error {
    let holder = match ssod_peer::port_holder(port) {
        Some(uid) if uid == ssod_peer::own_uid() => "another program of yours holds it".to_owned(),
        Some(uid) => format!("user {uid} holds it"),
        None => error.to_string(),
    };
    anyhow::anyhow!(
        "port {port} on 127.0.0.1 is taken: {holder}. End that program, or set another port in config.toml; \
         ssod does not move by itself, because open shells would send their tokens to the port that they know"
    )
}
