//! Serves the control API to this user's clients only.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::Request;
use axum::response::Response;
use ssod_connections::{Admission, CallerProof, ConnectionRules, Handler, serve as serve_connections};
use ssod_control::AuditVia;
use ssod_peer::UnixPeer;
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
        Admission::Own(ControlConnection { routes: routes.clone(), peer })
    };
    serve_connections(listener, rules, admit, stop).await;
}

/// Answers the requests of one connection, and tells the routes which process sent them. A layer around the router
/// would do the same, but it builds every route again for each connection: 8% of the daemon's CPU time for a request
/// instead of less than 1% (perf).
struct ControlConnection {
    routes: Router,
    peer: UnixPeer,
}

impl Handler for ControlConnection {
    type Body = Body;

    fn empty_body() -> Body {
        Router::empty_body()
    }

    async fn answer(&self, mut request: Request<Bytes>, proof: &CallerProof) -> Response {
        request.extensions_mut().insert(self.peer.clone());
        self.routes.answer(request, proof).await
    }
}
