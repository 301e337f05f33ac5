//! Serves the control API to this user's clients only.

use ssod_control::AuditVia;
use ssod_endpoint::{Admission, Capacity, Outcome, Timeouts, serve as serve_connections};
use tokio::net::{UnixListener, UnixStream};

use super::context::ControlContext;
use super::routes;

/// Answers this user's clients until the stop.
pub(crate) async fn serve(
    context: ControlContext,
    listener: UnixListener,
    capacity: Capacity,
    stop: impl Future<Output = ()> + Send,
) {
    let (audit, clock) = (context.audit.clone(), context.clock.clone());
    let routes = routes::router().with_state(context);
    let admit = move |connection: &UnixStream, _: &tokio::net::unix::SocketAddr| {
        let Ok(peer) = ssod_peer::unix_peer(connection) else { return Admission::Closed };
        // The socket's mode excludes other users already; this check does not depend on it.
        if peer.uid != ssod_peer::own_uid() {
            tracing::warn!(uid = peer.uid, "another user's control connection is refused");
            let reason = "CallerRefused: it belongs to another user".to_owned();
            let outcome = Outcome::Refused { reason };
            audit.note_control(clock.now(), AuditVia::Control, &peer, None, None, outcome);
            return Admission::Closed;
        }
        Admission::Own(routes.clone().layer(axum::Extension(peer)))
    };
    serve_connections(listener, capacity, Timeouts::default(), admit, stop).await;
}
