//! Checks which user connects to the endpoint's ports.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::middleware::map_response;
use axum::response::Response;
use ssod_endpoint::{Admission, Caller, Endpoint};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::audit::AuditLog;
use crate::live_broker::LiveBroker;

/// The search among the newest processes takes some 50 microseconds; on a loaded machine the answer is sent without it.
const SEARCH_TIMEOUT: Duration = Duration::from_millis(1);

/// Asks the kernel once which user made a connection, before any byte of it is read. The uid decides from which share
/// of the connection limit the connection gets its slot; the guard uses the uid for each request. If the kernel does
/// not answer, the connection counts as another user's.
pub(crate) fn admit(
    endpoint: Endpoint<LiveBroker>,
    audit: Arc<AuditLog>,
) -> impl Fn(&TcpStream, &SocketAddr) -> Admission {
    move |connection, client| {
        let (SocketAddr::V4(client), Ok(SocketAddr::V4(server))) = (client, connection.local_addr()) else {
            return Admission::Closed;
        };
        // A response is one small write, so Nagle's algorithm would only delay it.
        let _ = connection.set_nodelay(true);
        let peer = ssod_peer::tcp_peer(*client, server).unwrap_or_else(|error| {
            tracing::error!(%error, "the kernel does not report which user made a connection, so it is refused");
            None
        });
        let (uid, inode) = (peer.map(|peer| peer.uid), peer.map_or(0, |peer| peer.inode));
        let router = endpoint.router(Caller { uid, inode });
        match peer.filter(|peer| peer.uid == ssod_peer::own_uid()) {
            Some(peer) => Admission::Own(match audit.opened(peer) {
                Some(found) => answer_after(router, found),
                None => router,
            }),
            None => Admission::OtherUser(router),
        }
    }
}

/// Lets the first answer of a connection wait until a new program has been found, because a short command ends as soon
/// as it has its answer. The search runs beside the request and is mostly done first.
fn answer_after(router: Router, found: oneshot::Receiver<()>) -> Router {
    let search = FirstSearch(Arc::new(Mutex::new(Some(found))));
    router.layer(map_response(move |response: Response| {
        let search = search.clone();
        async move {
            search.wait().await;
            response
        }
    }))
}

/// The search for the program of a new connection.
#[derive(Clone)]
struct FirstSearch(Arc<Mutex<Option<oneshot::Receiver<()>>>>);

impl FirstSearch {
    /// Waits at the first call, for a limited time.
    async fn wait(&self) {
        let found = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(found) = found {
            // Nothing is ever sent: the sender is dropped.
            let _ = tokio::time::timeout(SEARCH_TIMEOUT, found).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_the_first_answer_waits_and_not_for_long() {
        let (searching, found) = oneshot::channel();
        let search = FirstSearch(Arc::new(Mutex::new(Some(found))));
        for limit in [SEARCH_TIMEOUT + Duration::from_millis(1), Duration::ZERO] {
            let begun = Instant::now();
            search.clone().wait().await;
            assert!(begun.elapsed() <= limit, "{:?}", begun.elapsed());
        }
        drop(searching);
        let (searching, found) = oneshot::channel();
        let search = FirstSearch(Arc::new(Mutex::new(Some(found))));
        drop(searching);
        let begun = Instant::now();
        search.wait().await;
        assert_eq!(begun.elapsed(), Duration::ZERO, "the search has ended");
    }
}
