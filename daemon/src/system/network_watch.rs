//! Reports that the network may have changed: the kernel announces changes of addresses and routes (rtnetlink(7)). This
//! is for Linux only; on other systems, a request that waits for AWS ends by its own time limit.

use std::io;
use std::time::Duration;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

/// `RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE` of `linux/rtnetlink.h`.
const GROUPS: u32 = 0x10 | 0x40 | 0x100 | 0x400;
/// Joining a network causes several announcements; those within this time count as one change.
const SETTLE: Duration = Duration::from_millis(500);
/// Limits how often an unstable network is reported.
const MIN_INTERVAL: Duration = Duration::from_secs(5);

/// Calls `on_change` after each change. Returns only if the kernel's announcements cannot be received.
pub(crate) async fn watch(on_change: impl Fn()) {
    let socket = match open() {
        Ok(socket) => socket,
        Err(error) => {
            tracing::debug!(%error, "changes of the network are not announced");
            return;
        }
    };
    loop {
        let waiting_since = Instant::now();
        if socket.readable().await.is_err() {
            return;
        }
        tokio::time::sleep_until((Instant::now() + SETTLE).max(waiting_since + MIN_INTERVAL)).await;
        drain(&socket).await;
        tracing::debug!("the network changed");
        on_change();
    }
}

fn open() -> io::Result<AsyncFd<std::os::fd::OwnedFd>> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // `None` is protocol 0, which is NETLINK_ROUTE.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
    #[expect(deprecated, reason = "unsound only for descriptors that can be exchanged; this one is owned")]
    AsyncFd::with_interest(socket, Interest::READABLE)
}

/// Discards the queued announcements; their content does not matter.
async fn drain(socket: &AsyncFd<std::os::fd::OwnedFd>) {
    let mut announcement = [0; 4096];
    while let Ok(mut ready) = socket.readable().await {
        // An overflow of the queue is reported once as an error, and is a change too.
        match recv(socket.get_ref(), &mut announcement, RecvFlags::DONTWAIT) {
            Err(error) if error == rustix::io::Errno::AGAIN => {
                ready.clear_ready();
                return;
            }
            Ok(_) | Err(_) => {}
        }
    }
}
