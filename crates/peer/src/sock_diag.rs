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

use crate::TcpPeer;

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const IPPROTO_TCP: u8 = 6;
const HEADER: usize = 16;
/// `inet_diag_req_v2`.
const REQUEST: usize = 56;
/// Where `idiag_uid` stands in `inet_diag_msg`.
const UID_AT: usize = HEADER + 64;
/// Where `idiag_inode` stands in `inet_diag_msg`.
const INODE_AT: usize = UID_AT + 4;
/// Where `inet_diag_sockid` stands in `inet_diag_msg`.
const ID_AT: usize = HEADER + 4;
/// The kernel answers at once; this only bounds what cannot happen.
const TIMEOUT: Duration = Duration::from_millis(200);

/// Kept open: opening one for each connection would cost more than the query.
static SOCKET: Mutex<Option<OwnedFd>> = Mutex::new(None);

pub(crate) fn owner_of(client: SocketAddrV4, server: SocketAddrV4) -> io::Result<Option<TcpPeer>> {
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

fn ask(socket: &OwnedFd, client: SocketAddrV4, server: SocketAddrV4) -> io::Result<Option<TcpPeer>> {
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

/// Ports and addresses of the socket that an answer is about.
fn sockets(answer: &[u8]) -> Option<&[u8]> {
    answer.get(ID_AT..ID_AT + 36)
}

/// What they must be. A dual-stack socket (Java's and .NET's) is asked for by its IPv4 addresses, too, but told of by
/// the mapped IPv6 ones, `::ffff:a.b.c.d`.
fn expected(question: &[u8], family: Option<u8>) -> Vec<u8> {
    let asked = question.get(HEADER + 8..HEADER + 44).unwrap_or_default();
    let mut expected = asked.to_vec();
    if family.map(u16::from) == Some(AddressFamily::INET6.as_raw()) {
        for at in [4, 20] {
            let address = asked.get(at..at + 4).unwrap_or_default();
            let mapped = [&[0; 10][..], &[0xff; 2], address].concat();
            expected.splice(at..at + 16, mapped);
        }
    }
    expected
}

/// The owner in the answer; `None` where the kernel knows no such socket. An answer about another socket than
/// the one asked for is no answer.
fn read_answer(answer: &[u8], question: &[u8]) -> io::Result<Option<TcpPeer>> {
    let kind = answer.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    match kind {
        Some(SOCK_DIAG_BY_FAMILY) => {
            let same = sockets(answer) == Some(expected(question, answer.get(HEADER).copied()).as_slice());
            let number = |at: usize| {
                answer.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_ne_bytes)
            };
            let owner = number(UID_AT).zip(number(INODE_AT)).map(|(uid, inode)| TcpPeer { uid, inode });
            Ok(owner.filter(|_| same))
        }
        // ENOENT, in the ordinary case; whatever it is, nobody is vouched for.
        Some(NLMSG_ERROR) => Ok(None),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the kernel's socket diagnostics made no sense")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(kind: u16, id: &[u8], uid: u32, inode: u32) -> Vec<u8> {
        let mut message = vec![0; HEADER + 72];
        message[4..6].copy_from_slice(&kind.to_ne_bytes());
        message[ID_AT..ID_AT + id.len()].copy_from_slice(id);
        message[UID_AT..UID_AT + 4].copy_from_slice(&uid.to_ne_bytes());
        message[INODE_AT..INODE_AT + 4].copy_from_slice(&inode.to_ne_bytes());
        message
    }

    #[test]
    fn only_an_answer_about_the_socket_in_question_counts() {
        let client: SocketAddrV4 = "127.0.0.1:40000".parse().unwrap();
        let other: SocketAddrV4 = "127.0.0.1:40001".parse().unwrap();
        let server: SocketAddrV4 = "127.0.0.1:7746".parse().unwrap();
        let asked = question(client, server);
        let id = &asked[HEADER + 8..HEADER + 44];
        let right = answer(SOCK_DIAG_BY_FAMILY, id, 1_000, 77);
        assert_eq!(read_answer(&right, &asked).unwrap(), Some(TcpPeer { uid: 1_000, inode: 77 }));
        let of_another =
            answer(SOCK_DIAG_BY_FAMILY, &question(other, server)[HEADER + 8..HEADER + 44], 1_000, 77);
        assert_eq!(read_answer(&of_another, &asked).unwrap(), None);
        assert_eq!(read_answer(&answer(NLMSG_ERROR, id, 1_000, 77), &asked).unwrap(), None);
        assert!(read_answer(&answer(7, id, 1_000, 77), &asked).is_err());
        for length in 0..right.len() {
            assert!(!matches!(read_answer(&right[..length], &asked), Ok(Some(peer)) if peer.uid != 1_000));
        }
    }
}
