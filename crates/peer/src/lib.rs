//! Identifies the other end of a connection: its user, as the kernel reports it, and where possible its program.

#[cfg(target_os = "linux")]
mod cgroup;
mod other_daemons;
mod port_holder;
mod process;
#[cfg(target_os = "linux")]
mod sock_diag;
#[cfg(target_os = "linux")]
mod socket_holder;
mod tcp;
mod unix;
#[cfg(not(target_os = "linux"))]
mod unsupported;
mod user;

#[cfg(target_os = "linux")]
pub use cgroup::cgroup_path;
pub use other_daemons::{listening_sockets, processes_named};
pub use port_holder::{PortHolder, port_holder};
pub use process::Process;
#[cfg(target_os = "linux")]
pub use sock_diag::{tcp_peer, tcp_server_user};
#[cfg(target_os = "linux")]
pub use socket_holder::{holder_among, holder_of, new_holder_of};
pub use tcp::{IDENTIFIES_TCP_PEERS, TcpPeer};
pub use unix::{UnixPeer, unix_peer, unix_peer_uid};
#[cfg(not(target_os = "linux"))]
pub use unsupported::{cgroup_path, holder_among, holder_of, new_holder_of, tcp_peer, tcp_server_user};
pub use user::{own_uid, user_name};
