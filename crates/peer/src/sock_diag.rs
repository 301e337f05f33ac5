//! One exact-match query to the kernel's socket diagnostics: it takes 5 microseconds however many sockets are open.
//! (`/proc/net/tcp` lists all sockets and takes milliseconds.)
//!
//! The layouts are those of `linux/inet_diag.h` and `linux/netlink.h`; all fields except addresses and ports are in
//! native byte order.

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
/// Length of `inet_diag_req_v2`.
const REQUEST: usize = 56;
/// Offset of `idiag_uid` in `inet_diag_msg`.
const UID_AT: usize = HEADER + 64;
/// Offset of `idiag_inode` in `inet_diag_msg`.
const INODE_AT: usize = UID_AT + 4;
/// Offset of the attributes, which follow `inet_diag_msg`.
const ATTRIBUTES_AT: usize = HEADER + 72;
/// The attribute that Linux 5.9 and later add unasked: a number of 64 bits.
const INET_DIAG_CGROUP_ID: u16 = 21;
/// Offset of `inet_diag_sockid` in `inet_diag_msg`.
const ID_AT: usize = HEADER + 4;
/// The kernel answers at once; the limit only makes sure that a lost answer cannot block a request.
const TIMEOUT: Duration = Duration::from_millis(200);

/// Stays open, because opening a socket costs more than the query.
static SOCKET: Mutex<Option<OwnedFd>> = Mutex::new(None);

/// Returns the client's end of a loopback TCP connection; `None` if the kernel does not know the connection (any more).
/// The caller must treat that as another user's.
pub fn tcp_peer(client: SocketAddrV4, server: SocketAddrV4) -> io::Result<Option<TcpPeer>> {
    let mut cached = SOCKET.lock().unwrap_or_else(PoisonError::into_inner);
    let socket = match cached.take() {
        Some(socket) => socket,
        None => open()?,
    };
    let answer = query(&socket, client, server);
    // After a failure the socket may still receive a late answer, so the next query opens a new socket.
    if answer.is_ok() {
        *cached = Some(socket);
    }
    answer
}

fn open() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, Some(netlink::SOCK_DIAG))?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(TIMEOUT))?;
    Ok(socket)
}

fn query(socket: &OwnedFd, client: SocketAddrV4, server: SocketAddrV4) -> io::Result<Option<TcpPeer>> {
    let request = request(client, server);
    sendto(socket, &request, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut answer = [0; 512];
    let (length, _) = recv(socket, &mut answer, RecvFlags::empty())?;
    read_answer(answer.get(..length).unwrap_or_default(), &request)
}

/// Builds the request for the client's socket: its source is the client and its destination the server.
fn request(client: SocketAddrV4, server: SocketAddrV4) -> [u8; HEADER + REQUEST] {
    let mut message = [0; HEADER + REQUEST];
    let mut put = |at: usize, bytes: &[u8]| message[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &u32::try_from(HEADER + REQUEST).unwrap_or_default().to_ne_bytes());
    put(4, &SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    put(6, &NLM_F_REQUEST.to_ne_bytes());
    put(HEADER, &[u8::try_from(AddressFamily::INET.as_raw()).unwrap_or_default(), IPPROTO_TCP]);
    // All states, because the client may already have closed its half.
    put(HEADER + 4, &u32::MAX.to_ne_bytes());
    put(HEADER + 8, &client.port().to_be_bytes());
    put(HEADER + 10, &server.port().to_be_bytes());
    put(HEADER + 12, &client.ip().octets());
    put(HEADER + 28, &server.ip().octets());
    // INET_DIAG_NOCOOKIE: any socket with these addresses.
    put(HEADER + 48, &[0xff; 8]);
    message
}

/// Returns the bytes with the ports and addresses of the socket that an answer is about.
fn socket_id(answer: &[u8]) -> Option<&[u8]> {
    answer.get(ID_AT..ID_AT + 36)
}

/// Returns what these bytes must be. For a dual-stack socket (as in Java and .NET) the request has the IPv4 addresses,
/// but the answer has the mapped IPv6 addresses, `::ffff:a.b.c.d`.
fn expected_id(request: &[u8], family: Option<u8>) -> Vec<u8> {
    let requested = request.get(HEADER + 8..HEADER + 44).unwrap_or_default();
    let mut expected = requested.to_vec();
    if family.map(u16::from) == Some(AddressFamily::INET6.as_raw()) {
        for at in [4, 20] {
            let address = requested.get(at..at + 4).unwrap_or_default();
            let mapped = [&[0; 10][..], &[0xff; 2], address].concat();
            expected.splice(at..at + 16, mapped);
        }
    }
    expected
}

/// Returns the owner in the answer; `None` if the kernel knows no such socket, or if the answer is about another
/// socket.
fn read_answer(answer: &[u8], request: &[u8]) -> io::Result<Option<TcpPeer>> {
    let kind = answer.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    match kind {
        Some(SOCK_DIAG_BY_FAMILY) => {
            let is_requested_socket =
                socket_id(answer) == Some(expected_id(request, answer.get(HEADER).copied()).as_slice());
            let number = |at: usize| {
                answer.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_ne_bytes)
            };
            let cgroup = cgroup(answer.get(ATTRIBUTES_AT..).unwrap_or_default());
            let owner = number(UID_AT).zip(number(INODE_AT));
            Ok(owner.map(|(uid, inode)| TcpPeer { uid, inode, cgroup }).filter(|_| is_requested_socket))
        }
        // Usually ENOENT. The owner is unknown for every error.
        Some(NLMSG_ERROR) => Ok(None),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the kernel's socket diagnostics sent an invalid answer",
        )),
    }
}

/// Returns the cgroup's id from the attributes of an answer. Each begins with its length and its kind, two bytes each,
/// and is padded to four bytes.
fn cgroup(mut attributes: &[u8]) -> Option<u64> {
    loop {
        let (header, rest) = attributes.split_at_checked(4)?;
        let [length_0, length_1, kind_0, kind_1] = header.try_into().ok()?;
        let length = usize::from(u16::from_ne_bytes([length_0, length_1])).checked_sub(header.len())?;
        if u16::from_ne_bytes([kind_0, kind_1]) == INET_DIAG_CGROUP_ID {
            return Some(u64::from_ne_bytes(rest.get(..length)?.try_into().ok()?));
        }
        attributes = rest.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener, TcpStream};

    use super::*;
    use crate::{holder_of, own_uid};

    fn v4(address: SocketAddr) -> SocketAddrV4 {
        match address {
            SocketAddr::V4(address) => address,
            SocketAddr::V6(_) => unreachable!("the tests listen on 127.0.0.1"),
        }
    }

    #[test]
    fn identifies_a_loopback_client_while_it_is_connected() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = v4(listener.local_addr().unwrap());
        let client = TcpStream::connect(server).unwrap();
        let from = v4(client.local_addr().unwrap());
        let peer = tcp_peer(from, server).unwrap().unwrap();
        assert_eq!(peer.uid, own_uid());
        let program = holder_of(peer).unwrap().program().unwrap();
        assert_eq!(program.pid, std::process::id());
        let unconnected = SocketAddrV4::new(*from.ip(), 1);
        assert_eq!(tcp_peer(unconnected, server).unwrap(), None);
        drop(client);
        assert!(holder_of(peer).is_none(), "no process holds a closed socket");
    }

    /// Java and .NET connect with dual-stack sockets.
    #[test]
    fn identifies_a_dual_stack_client() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = v4(listener.local_addr().unwrap());
        let Ok(client) = TcpStream::connect(("::ffff:127.0.0.1", server.port())) else {
            // A machine without IPv6 has no such clients.
            return;
        };
        let (_, from) = listener.accept().unwrap();
        assert_eq!(tcp_peer(v4(from), server).unwrap().map(|peer| peer.uid), Some(own_uid()));
        drop(client);
    }

    fn answer(kind: u16, id: &[u8], uid: u32, inode: u32) -> Vec<u8> {
        let mut message = vec![0; HEADER + 72];
        message[4..6].copy_from_slice(&kind.to_ne_bytes());
        message[ID_AT..ID_AT + id.len()].copy_from_slice(id);
        message[UID_AT..UID_AT + 4].copy_from_slice(&uid.to_ne_bytes());
        message[INODE_AT..INODE_AT + 4].copy_from_slice(&inode.to_ne_bytes());
        message
    }

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut bytes = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn the_cgroup_is_found_among_the_attributes_and_nowhere_else() {
        let id = attribute(INET_DIAG_CGROUP_ID, &7_u64.to_ne_bytes());
        assert_eq!(cgroup(&id), Some(7));
        assert_eq!(cgroup(&[attribute(8, &[1]), attribute(22, &[1, 2]), id.clone()].concat()), Some(7));
        for length in 0..id.len() {
            assert_eq!(cgroup(&id[..length]), None, "{length}");
        }
        let shorter_than_its_header = [3, 0, 0, 0, 0, 0, 0, 0];
        for broken in
            [attribute(INET_DIAG_CGROUP_ID, &[7; 4]), attribute(8, &[1]), shorter_than_its_header.into()]
        {
            assert_eq!(cgroup(&broken), None, "{broken:?}");
        }
    }

    #[test]
    fn accepts_only_an_answer_about_the_requested_socket() {
        let client: SocketAddrV4 = "127.0.0.1:40000".parse().unwrap();
        let other: SocketAddrV4 = "127.0.0.1:40001".parse().unwrap();
        let server: SocketAddrV4 = "127.0.0.1:7746".parse().unwrap();
        let request_bytes = request(client, server);
        let id = &request_bytes[HEADER + 8..HEADER + 44];
        let right = answer(SOCK_DIAG_BY_FAMILY, id, 1_000, 77);
        let peer = TcpPeer { uid: 1_000, inode: 77, cgroup: None };
        assert_eq!(read_answer(&right, &request_bytes).unwrap(), Some(peer));
        let attributes = [attribute(8, &[0]), attribute(INET_DIAG_CGROUP_ID, &5_u64.to_ne_bytes())].concat();
        let with_cgroup = [right.clone(), attributes].concat();
        assert_eq!(
            read_answer(&with_cgroup, &request_bytes).unwrap(),
            Some(TcpPeer { cgroup: Some(5), ..peer })
        );
        let about_other =
            answer(SOCK_DIAG_BY_FAMILY, &request(other, server)[HEADER + 8..HEADER + 44], 1_000, 77);
        assert_eq!(read_answer(&about_other, &request_bytes).unwrap(), None);
        assert_eq!(read_answer(&answer(NLMSG_ERROR, id, 1_000, 77), &request_bytes).unwrap(), None);
        assert!(read_answer(&answer(7, id, 1_000, 77), &request_bytes).is_err());
        for length in 0..right.len() {
            assert!(
                !matches!(read_answer(&right[..length], &request_bytes), Ok(Some(peer)) if peer.uid != 1_000)
            );
        }
    }
}
