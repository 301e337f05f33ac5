//! Serves the control API to this user's clients only.

use ssod_connections::{Admission, ConnectionRules, serve as serve_connections};
use ssod_control::AuditVia;
use tokio::net::{UnixListener, UnixStream};

use super::context::ControlContext;
use super::routes;
use crate::audit::{ControlNote, NoteOutcome};

/// Answers this user's clients until the stop.
pub(crate) async fn serve(
    context: ControlContext,
    listener: UnixListener,
    rules: ConnectionRules,
    stop: impl Future<Output = ()> + Send,
) {
    let (audit, clock) = (context.audit.clone(), context.clock.clone());
    let routes = routes::router().with_state(context);
    let admit = move |connection: &UnixStream, _: &tokio::net::unix::SocketAddr| {
        let Ok(peer) = ssod_peer::unix_peer(connection) else { return Admission::Closed };
        // The socket's mode excludes other users already; this check does not depend on it.
        if peer.uid != ssod_peer::own_uid() {
            let reason = "CallerRefused: it belongs to another user".to_owned();
            let outcome = NoteOutcome::Refused { code: "CallerRefused".into(), reason };
            let (via, action, program, profile, detail) = (AuditVia::Control, None, None, None, None);
            audit.note_control(
                clock.now(),
                &peer,
                ControlNote { via, action, program, profile, detail, outcome },
            );
            return Admission::Closed;
        }
        Admission::Own(routes.clone().layer(axum::Extension(peer)))
    };
    serve_connections(listener, rules, admit, stop).await;
}
