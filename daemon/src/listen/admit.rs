//! Checks which user connects to the endpoint's ports.

use std::net::SocketAddr;
use std::sync::Arc;

use ssod_endpoint::{Admission, Caller, Endpoint};
use tokio::net::TcpStream;

use crate::audit::AuditLog;
use crate::live_broker::LiveBroker;

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
        if uid == Some(ssod_peer::own_uid()) {
            audit.opened(inode);
            Admission::Own(router)
        } else {
            Admission::OtherUser(router)
        }
    }
}
