//! `cargo xtask bench`: measures speeds as ratios to a named baseline from the same run.

mod config_file;
mod median;
mod requests;
mod row;
mod scale;

use std::net::{SocketAddr, SocketAddrV4, TcpListener, TcpStream};

use anyhow::{Result, bail};
use clap::Args;

use self::median::median_duration;
use self::row::print_row;
use crate::workspace::{BuildProfile, build_programs};

#[derive(Args)]
pub(crate) struct Bench {
    /// Measure only requests and the client.
    #[arg(long)]
    requests: bool,
    /// Also serve ten thousand profiles with real processes, which takes nine minutes, and simulate ten times as many
    /// storms.
    #[arg(long)]
    long: bool,
}

pub(crate) fn run(bench: &Bench) -> Result<()> {
    println!("{:44} {:>10} {:>10} {:>8}", "", "median", "baseline", "ratio");
    if bench.requests {
        build_programs(BuildProfile::Release)?;
        return requests::run();
    }
    for open_connections in [0, 100, 1_000] {
        measure_caller_check(open_connections)?;
    }
    config_file::run()?;
    scale::storms(if bench.long { 20_000 } else { 2_000 })?;
    scale::simulated()?;
    build_programs(BuildProfile::Release)?;
    requests::run()?;
    scale::real(if bench.long { 10_000 } else { 1_000 })
}

/// Compares the time of a query for the owner of a loopback connection with the time to connect, while other
/// connections are open on the machine.
fn measure_caller_check(open_connections: usize) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let server = v4(listener.local_addr()?)?;
    let mut open = Vec::new();
    for _ in 0..open_connections {
        open.push((TcpStream::connect(server)?, listener.accept()?.0));
    }
    let client = TcpStream::connect(server)?;
    let from = v4(client.local_addr()?)?;
    let query = median_duration(|| match ssod_peer::tcp_peer(from, server) {
        Ok(Some(peer)) if peer.uid == ssod_peer::own_uid() => Ok(()),
        other => bail!("the kernel does not report this user as the owner: {other:?}"),
    })?;
    let connection = median_duration(|| {
        let client = TcpStream::connect(server)?;
        drop((client, listener.accept()?));
        Ok(())
    })?;
    print_row(&format!("caller's uid, {open_connections} others / a connection"), query, connection);
    Ok(())
}

fn v4(address: SocketAddr) -> Result<SocketAddrV4> {
    match address {
        SocketAddr::V4(address) => Ok(address),
        SocketAddr::V6(address) => bail!("{address} is not IPv4"),
    }
}
