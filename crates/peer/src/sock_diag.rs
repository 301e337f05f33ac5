//! One exact-match query to the kernel's socket diagnostics: 5 microseconds, however many sockets there are.
//! (`/proc/net/tcp` lists them all and takes milliseconds.)
//!
//! The layouts are those of `linux/inet_diag.h` and `linux/netlink.h`; all fields but the addresses and ports
//! are in the machine's byte order.

use std::io;
use std::net::SocketAddrV4;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, sendto, socket_with, sockopt,
};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const IPPROTO_TCP: u8 = 6;
const HEADER: usize = 16;
/// `inet_diag_req_v2`.
const REQUEST: usize = 56;
/// Where `idiag_uid` stands in `inet_diag_msg`.
const UID_AT: usize = HEADER + 64;
/// Where `inet_diag_sockid` stands in `inet_diag_msg`.
const ID_AT: usize = HEADER + 4;
/// The kernel answers at once; this only bounds what cannot happen.
const TIMEOUT: Duration = Duration::from_millis(200);

/// Kept open: opening one for each connection would cost more than the query.
static SOCKET: Mutex<Option<OwnedFd>> = Mutex::new(None);

pub(crate) fn uid_of(client: SocketAddrV4, server: SocketAddrV4) -> io::Result<Option<u32>> {
    let mut kept = SOCKET.lock().unwrap_or_else(PoisonError::into_inner);
    let socket = match kept.take() {
        Some(socket) => socket,
        None => open()?,
    };
    let answer = ask(&socket, client, server);
    // A socket that failed may hold an answer that came too late; the next question gets a new one.
    if answer.is_ok() {
        *kept = Some(socket);
    }
    answer
}

fn open() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(netlink::SOCK_DIAG))?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(TIMEOUT))?;
    Ok(socket)
}

fn ask(socket: &OwnedFd, client: SocketAddrV4, server: SocketAddrV4) -> io::Result<Option<u32>> {
    let question = question(client, server);
    sendto(socket, &question, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut answer = [0; 512];
    let (length, _) = recv(socket, &mut answer, RecvFlags::empty())?;
    read_answer(answer.get(..length).unwrap_or_default(), &question)
}

/// The client's own socket: its source is the client, its destination the server.
fn question(client: SocketAddrV4, server: SocketAddrV4) -> [u8; HEADER + REQUEST] {
    let mut message = [0; HEADER + REQUEST];
    let mut put = |at: usize, bytes: &[u8]| message[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &u32::try_from(HEADER + REQUEST).unwrap_or_default().to_ne_bytes());
    put(4, &SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    put(6, &NLM_F_REQUEST.to_ne_bytes());
    put(HEADER, &[u8::try_from(AddressFamily::INET.as_raw()).unwrap_or_default(), IPPROTO_TCP]);
    // All states: the client may have closed its half already.
    put(HEADER + 4, &u32::MAX.to_ne_bytes());
    put(HEADER + 8, &client.port().to_be_bytes());
    put(HEADER + 10, &server.port().to_be_bytes());
    put(HEADER + 12, &client.ip().octets());
    put(HEADER + 28, &server.ip().octets());
    // INET_DIAG_NOCOOKIE: any socket with these addresses.
    put(HEADER + 48, &[0xff; 8]);
    message
}

/// The uid in the answer; `None` where the kernel knows no such socket. An answer about another socket than
/// the one asked for is no answer.
fn read_answer(answer: &[u8], question: &[u8]) -> io::Result<Option<u32>> {
    let kind = answer.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    match kind {
        Some(SOCK_DIAG_BY_FAMILY) => {
            let same = answer.get(ID_AT..ID_AT + 24) == question.get(HEADER + 8..HEADER + 32);
            let uid = answer.get(UID_AT..UID_AT + 4).and_then(|bytes| bytes.try_into().ok());
            Ok(uid.filter(|_| same).map(u32::from_ne_bytes))
        }
        // ENOENT, in the ordinary case; whatever it is, nobody is vouched for.
        Some(NLMSG_ERROR) => Ok(None),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the kernel's socket diagnostics made no sense")),
    }
}
