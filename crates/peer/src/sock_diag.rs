//! One exact-match query to the kernel's socket diagnostics: it takes 5 microseconds however many sockets are open.
//! (`/proc/net/tcp` lists all sockets and takes milliseconds.)
//!
//! The layouts are those of `linux/inet_diag.h` and `linux/netlink.h`; all fields except addresses and ports are in
//! native byte order.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV4};
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

/// Offset of `idiag_state` in `inet_diag_msg`.
const STATE_AT: usize = HEADER + 1;
const TCP_LISTEN: u8 = 10;

/// Stays open, because opening a socket costs more than the query.
static SOCKET: Mutex<Option<OwnedFd>> = Mutex::new(None);

/// Returns the client's end of a loopback TCP connection; `None` if the kernel does not know the connection (any more).
/// The caller must treat that as another user's.
pub fn tcp_peer(client: SocketAddrV4, server: SocketAddrV4) -> io::Result<Option<TcpPeer>> {
    let request = request(client.into(), server.into());
    ask(&request, |answer| read_answer(answer, &request))
}

/// Returns the user who holds the server's end of a loopback TCP connection that this process made; `None` if the
/// kernel does not know that end, or if different users hold the connection and the listener.
///
/// The kernel reports the owner of a connection only after the server has accepted it. Before that, it belongs to the
/// listener. So the listener is asked first: if it was closed and replaced since the connection was made, the
/// connection is either reset, or it was accepted, and the second question finds its owner.
pub fn tcp_server_user(client: SocketAddr, server: SocketAddr) -> io::Result<Option<u32>> {
    let unconnected = SocketAddr::new(unspecified(server.ip()), 0);
    let to_listener = request(server, unconnected);
    let Some(listener) = ask(&to_listener, |answer| read_listener(answer, &to_listener))? else {
        return Ok(None);
    };
    let to_connection = request(server, client);
    let Some(connection) = ask(&to_connection, |answer| read_answer(answer, &to_connection))? else {
        return Ok(None);
    };
    let is_accepted = connection.inode != 0;
    Ok((!is_accepted || connection.uid == listener).then_some(listener))
}

fn unspecified(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// Sends a request and reads its answer.
fn ask<T>(request: &[u8], read: impl FnOnce(&[u8]) -> io::Result<Option<T>>) -> io::Result<Option<T>> {
    let mut cached = SOCKET.lock().unwrap_or_else(PoisonError::into_inner);
    let socket = match cached.take() {
        Some(socket) => socket,
        None => open()?,
    };
    let answer = query(&socket, request, read);
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

fn query<T>(
    socket: &OwnedFd,
    request: &[u8],
    read: impl FnOnce(&[u8]) -> io::Result<Option<T>>,
) -> io::Result<Option<T>> {
    sendto(socket, request, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    let mut answer = [0; 512];
    let (length, _) = recv(socket, &mut answer, RecvFlags::empty())?;
    read(answer.get(..length).unwrap_or_default())
}

/// Builds the request for the socket with these addresses, which are of the same family.
fn request(source: SocketAddr, destination: SocketAddr) -> [u8; HEADER + REQUEST] {
    let mut message = [0; HEADER + REQUEST];
    let family = if source.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let mut put = |at: usize, bytes: &[u8]| message[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &u32::try_from(HEADER + REQUEST).unwrap_or_default().to_ne_bytes());
    put(4, &SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    put(6, &NLM_F_REQUEST.to_ne_bytes());
    put(HEADER, &[u8::try_from(family.as_raw()).unwrap_or_default(), IPPROTO_TCP]);
    // All states, because the client may already have closed its half.
    put(HEADER + 4, &u32::MAX.to_ne_bytes());
    put(HEADER + 8, &source.port().to_be_bytes());
    put(HEADER + 10, &destination.port().to_be_bytes());
    for (at, address) in [(12, source.ip()), (28, destination.ip())] {
        match address {
            IpAddr::V4(address) => put(HEADER + at, &address.octets()),
            IpAddr::V6(address) => put(HEADER + at, &address.octets()),
        }
    }
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
    let inet6 = AddressFamily::INET6.as_raw();
    if family.map(u16::from) == Some(inet6) && request.get(HEADER).copied().map(u16::from) != Some(inet6) {
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
    if !is_about_a_socket(answer)? {
        return Ok(None);
    }
    let is_requested_socket =
        socket_id(answer) == Some(expected_id(request, answer.get(HEADER).copied()).as_slice());
    let cgroup = cgroup(answer.get(ATTRIBUTES_AT..).unwrap_or_default());
    let owner = number(answer, UID_AT).zip(number(answer, INODE_AT));
    Ok(owner.map(|(uid, inode)| TcpPeer { uid, inode, cgroup }).filter(|_| is_requested_socket))
}

/// Returns the user of the listener in the answer; `None` if it is about another socket. The listener may be bound to
/// all addresses, so only its port is compared.
fn read_listener(answer: &[u8], request: &[u8]) -> io::Result<Option<u32>> {
    if !is_about_a_socket(answer)? {
        return Ok(None);
    }
    let ports = |message: &[u8], at: usize| message.get(at..at + 4).map(<[u8]>::to_vec);
    let has_port = ports(answer, ID_AT).is_some_and(|found| Some(found) == ports(request, HEADER + 8));
    let listens = answer.get(STATE_AT) == Some(&TCP_LISTEN);
    Ok(number(answer, UID_AT).filter(|_| has_port && listens))
}

fn number(answer: &[u8], at: usize) -> Option<u32> {
    answer.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_ne_bytes)
}

/// Returns whether the answer describes a socket, and is not an error of the kernel.
fn is_about_a_socket(answer: &[u8]) -> io::Result<bool> {
    match answer.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes) {
        Some(SOCK_DIAG_BY_FAMILY) => Ok(true),
        // Usually ENOENT. The owner is unknown for every error.
        Some(NLMSG_ERROR) => Ok(false),
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
    use std::net::{TcpListener, TcpStream};

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
    fn the_user_of_a_server_is_known_before_and_after_it_accepts() {
        for address in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"] {
            let Ok(listener) = TcpListener::bind(address) else {
                // A machine without IPv6 has no such servers.
                continue;
            };
            let bound = listener.local_addr().unwrap();
            let host = match bound.ip() {
                IpAddr::V6(ip) if ip.is_loopback() => bound.ip(),
                // A dual-stack listener is reached over IPv4, too.
                _ => std::net::Ipv4Addr::LOCALHOST.into(),
            };
            let server = SocketAddr::new(host, bound.port());
            let client = TcpStream::connect(server).unwrap();
            let from = client.local_addr().unwrap();
            assert_eq!(tcp_server_user(from, server).unwrap(), Some(own_uid()), "{address}, in the queue");
            let (accepted, _) = listener.accept().unwrap();
            assert_eq!(tcp_server_user(from, server).unwrap(), Some(own_uid()), "{address}, accepted");
            drop(listener);
            assert_eq!(tcp_server_user(from, server).unwrap(), None, "{address}, without a listener");
            drop(accepted);
            let unconnected = SocketAddr::new(host, 1);
            assert_eq!(tcp_server_user(unconnected, server).unwrap(), None, "{address}");
        }
    }

    #[test]
    fn accepts_only_an_answer_about_the_requested_listener() {
        let server: SocketAddr = "127.0.0.1:4566".parse().unwrap();
        let asked = request(server, "0.0.0.0:0".parse().unwrap());
        let listener = |state: u8, id: &[u8]| {
            let mut message = answer(SOCK_DIAG_BY_FAMILY, id, 1_000, 77);
            message[STATE_AT] = state;
            message
        };
        let id = &asked[HEADER + 8..HEADER + 44];
        assert_eq!(read_listener(&listener(TCP_LISTEN, id), &asked).unwrap(), Some(1_000));
        assert_eq!(read_listener(&listener(1, id), &asked).unwrap(), None, "this socket is connected");
        let other = request("127.0.0.1:4567".parse().unwrap(), "0.0.0.0:0".parse().unwrap());
        let about_other = listener(TCP_LISTEN, &other[HEADER + 8..HEADER + 44]);
        assert_eq!(read_listener(&about_other, &asked).unwrap(), None);
        assert_eq!(read_listener(&answer(NLMSG_ERROR, id, 1_000, 77), &asked).unwrap(), None);
        assert!(read_listener(&answer(7, id, 1_000, 77), &asked).is_err());
    }

    #[test]
    fn accepts_only_an_answer_about_the_requested_socket() {
        let client: SocketAddr = "127.0.0.1:40000".parse().unwrap();
        let other: SocketAddr = "127.0.0.1:40001".parse().unwrap();
        let server: SocketAddr = "127.0.0.1:7746".parse().unwrap();
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
