//! New connections, whose user ssod asks the kernel for.

use std::net::{SocketAddr, SocketAddrV4, TcpListener, TcpStream};

use anyhow::{Result, bail};
use ssod_testkit::Sandbox;

use super::load::Connections;
use super::median::median_duration;
use super::options::Options;
use super::rounds::{ROUNDS, measure_servers};
use super::servers::{StaticServer, container_request, daemon, signed_in_sandbox};
use super::table::{Goal, Row, Samples, Unit};

/// Measures one request on each of many new connections.
pub(super) fn rows(options: &Options) -> Result<Vec<Row>> {
    let mut sandbox = Sandbox::new();
    signed_in_sandbox(&mut sandbox);
    let (ssod, requests) = (daemon(&sandbox), [container_request(&sandbox)]);
    let hyper = StaticServer::recording(ssod.address, &requests)?;
    let mut rows = Vec::new();
    for (level, at) in [(1, "one at a time"), (16, "16 at a time")] {
        let servers = [(ssod, requests.as_slice()), (hyper.server(), requests.as_slice())];
        let [ssod, hyper] = measure_servers(servers, Connections::New(level), options.seconds())?;
        rows.push(
            Row::new(format!("CPU per new connection with one request, {at}"), Unit::Seconds, ssod.cpu)
                .ratio_to("bare hyper", hyper.cpu)
                .goal(Goal::at_most(1.3)),
        );
        rows.push(
            Row::new(format!("new connections, {at}"), Unit::PerSecond, ssod.requests_per_second)
                .ratio_to("bare hyper", hyper.requests_per_second),
        );
    }
    Ok(rows)
}

/// Measures a query for the owner of a loopback connection, beside the time to connect, while other connections are
/// open on the machine.
pub(super) fn caller_rows() -> Result<Vec<Row>> {
    [0, 100, 1_000].into_iter().map(caller_row).collect()
}

fn caller_row(open_connections: usize) -> Result<Row> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let server = v4(listener.local_addr()?)?;
    let mut open = Vec::new();
    for _ in 0..open_connections {
        open.push((TcpStream::connect(server)?, listener.accept()?.0));
    }
    let client = TcpStream::connect(server)?;
    let from = v4(client.local_addr()?)?;
    let (mut queries, mut connections) = (Samples::default(), Samples::default());
    for _ in 0..ROUNDS {
        let query = median_duration(|| match ssod_peer::tcp_peer(from, server) {
            Ok(Some(peer)) if peer.uid == ssod_peer::own_uid() => Ok(()),
            other => bail!("the kernel does not report this user as the owner: {other:?}"),
        })?;
        let connection = median_duration(|| {
            let client = TcpStream::connect(server)?;
            drop((client, listener.accept()?));
            Ok(())
        })?;
        queries.push(query.as_secs_f64());
        connections.push(connection.as_secs_f64());
    }
    let measure = format!("query for a caller's user, {open_connections} other connections");
    Ok(Row::new(measure, Unit::Seconds, queries).ratio_to("a connection", connections))
}

fn v4(address: SocketAddr) -> Result<SocketAddrV4> {
    match address {
        SocketAddr::V4(address) => Ok(address),
        SocketAddr::V6(address) => bail!("{address} is not IPv4"),
    }
}
