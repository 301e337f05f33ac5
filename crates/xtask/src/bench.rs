//! `cargo xtask bench`: speeds as ratios against a named baseline, both taken in the same run.

mod scale;

use std::net::{SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::tools;

/// Repetitions of each measure; the median counts.
const ROUNDS: usize = 2_000;

#[derive(Args)]
pub(crate) struct Bench {
    /// Fill ten thousand profiles with real processes, too, which takes nine minutes; and try ten times as many storms.
    #[arg(long)]
    long: bool,
}

pub(crate) fn run(bench: &Bench) -> Result<()> {
    println!("{:44} {:>10} {:>10} {:>8}", "", "median", "baseline", "ratio");
    for others in [0, 100, 1_000] {
        caller_check(others)?;
    }
    scale::storms(if bench.long { 20_000 } else { 2_000 })?;
    scale::simulated()?;
    tools::build_release_programs()?;
    scale::real(if bench.long { 10_000 } else { 1_000 })
}

/// Whose a loopback connection is: the price of the question beside the price of the connection itself, with so many
/// other connections open on the machine.
fn caller_check(others: usize) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let server = v4(listener.local_addr()?)?;
    let mut open = Vec::new();
    for _ in 0..others {
        open.push((TcpStream::connect(server)?, listener.accept()?.0));
    }
    let client = TcpStream::connect(server)?;
    let from = v4(client.local_addr()?)?;
    let asked = median(|| match ssod_peer::tcp_peer(from, server) {
        Ok(Some(peer)) if peer.uid == ssod_peer::own_uid() => Ok(()),
        other => bail!("the kernel does not tell: {other:?}"),
    })?;
    let connected = median(|| {
        let client = TcpStream::connect(server)?;
        drop((client, listener.accept()?));
        Ok(())
    })?;
    row(&format!("caller's uid, {others} others / a connection"), asked, connected);
    Ok(())
}

fn row(what: &str, measured: Duration, baseline: Duration) {
    let ratio = measured.as_secs_f64() / baseline.as_secs_f64();
    println!("{what:44} {:>10} {:>10} {ratio:>8.2}", show(measured), show(baseline));
}

fn show(duration: Duration) -> String {
    format!("{:.1} µs", duration.as_secs_f64() * 1e6)
}

fn median(mut work: impl FnMut() -> Result<()>) -> Result<Duration> {
    let mut taken = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        work()?;
        taken.push(begun.elapsed());
    }
    taken.sort_unstable();
    taken.get(ROUNDS / 2).copied().context("nothing was measured")
}

fn v4(address: SocketAddr) -> Result<SocketAddrV4> {
    match address {
        SocketAddr::V4(address) => Ok(address),
        SocketAddr::V6(address) => bail!("{address} is not IPv4"),
    }
}
