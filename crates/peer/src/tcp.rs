//! The client's end of a loopback TCP connection.

/// The client's end of a loopback TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpPeer {
    /// The user who owns the socket.
    pub uid: u32,
    /// The socket's inode, which identifies the process that has it open.
    pub inode: u32,
    /// The id of the cgroup in which the socket was made, which names the unit or scope of a program that has ended
    /// (see [`crate::cgroup_path`]); `None` on kernels before Linux 5.9.
    pub cgroup: Option<u64>,
}

/// Whether this platform reports the owner of a loopback TCP connection. Where it does not, only the authorization
/// token protects the endpoint.
///
/// On macOS, `proc_pidfdinfo` shows the sockets of this user's own processes, so it could confirm that a caller is this
/// user. ssod does not use it: that code could not be tested here, and a mistake in it would refuse every caller.
pub const IDENTIFIES_TCP_PEERS: bool = cfg!(target_os = "linux");
