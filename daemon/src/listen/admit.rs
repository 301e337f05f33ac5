//! Checks which user connects to a port on loopback.

use std::net::SocketAddr;

use ssod_connections::Admission;
use ssod_endpoint::{Caller, Endpoint, EndpointConnection};
use ssod_peer::TcpPeer;
use tokio::net::TcpStream;

use crate::live_broker::LiveBroker;

const ROOT: u32 = 0;

/// Asks the kernel once which user made a connection, before any byte of it is read. The uid decides from which share
/// of the connection limit the connection gets its slot; the guard uses the uid for each request. If the kernel does
/// not answer, the connection counts as another user's.
pub(crate) fn admit(
    endpoint: Endpoint<LiveBroker>,
) -> impl Fn(&TcpStream, &SocketAddr) -> Admission<EndpointConnection<LiveBroker>> {
    move |connection, client| {
        if !client.is_ipv4() {
            return Admission::Closed;
        }
        // A response is one small write, so Nagle's algorithm would only delay it.
        let _ = connection.set_nodelay(true);
        let peer = peer_of(connection, client);
        let caller = Caller {
            uid: peer.map(|peer| peer.uid),
            inode: peer.map_or(0, |peer| peer.inode),
            cgroup: peer.and_then(|peer| peer.cgroup),
        };
        let requests = endpoint.connection(caller);
        match caller.uid {
            Some(uid) if uid == ssod_peer::own_uid() => Admission::Own(requests),
            _ => Admission::OtherUser(requests),
        }
    }
}

/// Returns whether a connection to the callback of a sign-in comes from this user's browser. Root can act as this user
/// in any case, and the relay of a virtual machine, through which a browser outside of it connects, may run as root.
pub(crate) fn is_own_browser(connection: &TcpStream, client: &SocketAddr) -> bool {
    peer_of(connection, client).is_some_and(|peer| peer.uid == ssod_peer::own_uid() || peer.uid == ROOT)
}

fn peer_of(connection: &TcpStream, client: &SocketAddr) -> Option<TcpPeer> {
    let (SocketAddr::V4(client), Ok(SocketAddr::V4(server))) = (client, connection.local_addr()) else {
        return None;
    };
    ssod_peer::tcp_peer(*client, server).unwrap_or_else(|error| {
        tracing::error!(%error, "the kernel does not report which user made a connection, so it is refused");
        None
    })
}
