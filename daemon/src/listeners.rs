//! The sockets: bound to loopback, told apart, guarded by the caller's uid before a byte is read.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use anyhow::{Context, Result, bail};
use axum::Router;
use ssod_endpoint::{Endpoint, Limits, Port, serve, stranger};
use ssod_model::{ProfileName, Timer};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::app::Shared;
use crate::memory::Memory;
use crate::settings::DEFAULT_PORT;

/// A thousand clients at one instant must not wait for a retransmission.
const BACKLOG: u32 = 1_024;

/// Binds the endpoint's port: the configured one, else the remembered one, else the default, else any. Only at the
/// very first start may it be any: later, tokens of open shells would be sent to whoever took the port.
pub(crate) fn endpoint(configured: Option<u16>, memory: &Memory) -> Result<TcpListener> {
    if let Some(port) = configured.or(memory.port()) {
        let listener = bind(port).map_err(|error| taken(port, &error))?;
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

/// Binds the control socket with mode 0600. The caller holds the instance lock, so whatever socket is there is stale.
pub(crate) fn control(path: &Path) -> Result<UnixListener> {
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
pub(crate) async fn serve_endpoint<C: Timer + Clone>(shared: Arc<Shared<C>>, listener: TcpListener) {
    let router = router(&shared, Port::Main { imds: shared.imds_enabled.clone() }, shared.port);
    serve(listener, Limits::default(), admit(router), shared.stopped()).await;
}

/// A port that serves one profile's IMDS; dropping `stop` closes it.
pub(crate) struct ImdsListener {
    pub(crate) port: u16,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Makes the open IMDS ports those that `[imds] profiles` names: closes first, so that a port can change hands.
pub(crate) async fn settle_imds_ports<C: Timer + Clone>(shared: &Arc<Shared<C>>) {
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
        match (ProfileName::parse(name), bind(*port)) {
            (Ok(profile), Ok(listener)) => {
                open.insert(name.clone(), serve_imds(shared, profile, *port, listener));
            }
            (Err(error), _) => problems.push(format!("[imds] profiles: {error}")),
            (_, Err(error)) => problems.push(format!("{:#}", taken(*port, &error))),
        }
    }
    for problem in &problems {
        tracing::warn!("{problem}");
    }
    shared.problems.lock().unwrap_or_else(PoisonError::into_inner).imds = problems;
}

fn serve_imds<C: Timer + Clone>(
    shared: &Arc<Shared<C>>,
    profile: ProfileName,
    port: u16,
    listener: TcpListener,
) -> ImdsListener {
    let router = router(shared, Port::Imds(profile), port);
    let (stop, closed) = oneshot::channel();
    let stopped = shared.stopped();
    let until = async move {
        tokio::select! {
            () = stopped => {}
            // Nothing is ever sent: the sender is dropped.
            _ = closed => {}
        }
    };
    let task = tokio::spawn(serve(listener, Limits::default(), admit(router), until));
    ImdsListener { port, stop, task }
}

fn router<C: Timer + Clone>(shared: &Arc<Shared<C>>, port: Port, number: u16) -> Router {
    let (tokens, imds_tokens) = (shared.tokens.clone(), shared.imds_tokens.clone());
    Endpoint::new(shared.broker.clone(), shared.timer.clone(), tokens, imds_tokens, port, number).router()
}

/// Connections of this user get the endpoint; all others get a refusal, whatever they send. No answer from the
/// kernel counts as a stranger.
fn admit(router: Router) -> impl Fn(&TcpStream, &SocketAddr) -> Option<Router> {
    let stranger = stranger();
    move |connection, client| {
        let server = connection.local_addr().ok()?;
        let (SocketAddr::V4(client), SocketAddr::V4(server)) = (client, server) else { return None };
        // Answers are one small write; waiting to batch it would only delay it.
        let _ = connection.set_nodelay(true);
        match ssod_peer::tcp_uid(*client, server) {
            Ok(Some(uid)) if uid == ssod_peer::own_uid() => Some(router.clone()),
            Ok(uid) => {
                tracing::warn!(?uid, "another user's connection is refused");
                Some(stranger.clone())
            }
            Err(error) => {
                tracing::error!(%error, "cannot tell whose connection it is; it is refused");
                Some(stranger.clone())
            }
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
