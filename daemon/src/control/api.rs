//! Serves the control API to this user's clients only.

use std::convert::Infallible;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::future::RouteFuture;
use ssod_connections::{Admission, ConnectionRules, serve as serve_connections};
use ssod_control::AuditVia;
use ssod_peer::UnixPeer;
use tokio::net::{UnixListener, UnixStream};
use tower_service::Service;

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
        Admission::Own(Router::new().fallback_service(WithPeer { routes: routes.clone(), peer }))
    };
    serve_connections(listener, rules, admit, stop).await;
}

/// Answers the requests of one connection, and tells the routes which process sent them. A layer around the router
/// would do the same, but it builds every route again for each connection: 8% of the daemon's CPU time for a request
/// instead of less than 1% (perf).
#[derive(Clone)]
struct WithPeer {
    routes: Router,
    peer: UnixPeer,
}

impl Service<Request> for WithPeer {
    type Response = Response;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request>::poll_ready(&mut self.routes, context)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        request.extensions_mut().insert(self.peer.clone());
        self.routes.call(request)
    }
}
