//! Who may connect to the endpoint's ports.

use std::net::SocketAddr;
use std::sync::Arc;

use ssod_endpoint::{Admission, Caller, Endpoint};
use tokio::net::TcpStream;

use crate::audit::AuditLog;
use crate::live_broker::LiveBroker;

/// Asks the kernel once which user made a connection, before a byte of it is read. The guard decides what that means for a
/// request; here it decides which share of the connections it takes. If the kernel does not answer, the connection counts as
/// another user's.
pub(crate) fn admit(
    endpoint: Endpoint<LiveBroker>,
    audit: Arc<AuditLog>,
) -> impl Fn(&TcpStream, &SocketAddr) -> Admission {
    move |connection, client| {
        let (SocketAddr::V4(client), Ok(SocketAddr::V4(server))) = (client, connection.local_addr()) else {
            return Admission::Closed;
        };
        // An answer is one small write, so waiting to batch it would only delay it.
        let _ = connection.set_nodelay(true);
        let peer = ssod_peer::tcp_peer(*client, server).unwrap_or_else(|error| {
            tracing::error!(%error, "the kernel does not tell which user made a connection, so it is refused");
            None
        });
        let (uid, inode) = (peer.map(|peer| peer.uid), peer.map_or(0, |peer| peer.inode));
        let router = endpoint.router(Caller { uid, inode });
        match peer.filter(|peer| peer.uid == ssod_peer::own_uid()) {
            Some(peer) => {
                audit.opened(peer);
                Admission::Own(router)
            }
            None => Admission::OtherUser(router),
        }
    }
}
