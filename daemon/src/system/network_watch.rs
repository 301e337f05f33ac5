//! Tells when the network may be another one: a change of addresses or routes, as the kernel announces it (rtnetlink(7)).
//! Linux only; elsewhere a wait for an answer ends by itself.

use std::io;
use std::time::Duration;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

/// `RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE` of `linux/rtnetlink.h`.
const GROUPS: u32 = 0x10 | 0x40 | 0x100 | 0x400;
/// Joining a network brings a handful of announcements; they are one change.
const SETTLES: Duration = Duration::from_millis(500);
/// A network that comes and goes is told of so often at most.
const AT_MOST_EACH: Duration = Duration::from_secs(5);

/// Calls for each change, as long as it is awaited.
pub(crate) async fn watch(on_change: impl Fn()) {
    let socket = match open() {
        Ok(socket) => socket,
        Err(error) => {
            tracing::debug!(%error, "the kernel announces no changes of the network");
            return;
        }
    };
    loop {
        let begun = Instant::now();
        if socket.readable().await.is_err() {
            return;
        }
        tokio::time::sleep_until((Instant::now() + SETTLES).max(begun + AT_MOST_EACH)).await;
        drain(&socket).await;
        tracing::debug!("the network changed");
        on_change();
    }
}

fn open() -> io::Result<AsyncFd<std::os::fd::OwnedFd>> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // No protocol is protocol 0, which is NETLINK_ROUTE.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
    #[expect(deprecated, reason = "unsound only for descriptors that can be exchanged; this one is owned")]
    AsyncFd::with_interest(socket, Interest::READABLE)
}

/// Reads what is there; what it says does not matter.
async fn drain(socket: &AsyncFd<std::os::fd::OwnedFd>) {
    let mut announcement = [0; 4096];
    while let Ok(mut ready) = socket.readable().await {
        // More than there is room for is an error once, and means a change all the same.
        match recv(socket.get_ref(), &mut announcement, RecvFlags::DONTWAIT) {
            Err(error) if error == rustix::io::Errno::AGAIN => {
                ready.clear_ready();
                return;
            }
            Ok(_) | Err(_) => {}
        }
    }
}
