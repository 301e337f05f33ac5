//! Repeats a measurement of two or more programs in alternating order.

use anyhow::Result;

use super::load::{Connections, Request, wrk};
use super::process_costs::Costs;
use super::servers::Server;
use super::table::Samples;

/// How often each program is measured.
pub(super) const ROUNDS: usize = 5;

/// What one run under load cost a server.
#[derive(Clone, Debug, Default)]
pub(super) struct ServerSamples {
    /// CPU seconds of all threads per request.
    pub(super) cpu: Samples,
    pub(super) requests_per_second: Samples,
    /// Context switches of all threads per request.
    pub(super) switches: Samples,
}

/// Measures each server in turn, in each round, under the same load. The first server of a round alternates, so that
/// none always profits from what another leaves behind.
pub(super) fn measure_servers<const COUNT: usize>(
    servers: [(Server, &[Request]); COUNT],
    connections: Connections,
    seconds: u32,
) -> Result<[ServerSamples; COUNT]> {
    let mut samples: [ServerSamples; COUNT] = std::array::from_fn(|_| ServerSamples::default());
    for round in 0..ROUNDS {
        let mut order: Vec<_> = servers.iter().zip(&mut samples).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for ((server, requests), samples) in order {
            measure_server(*server, requests, connections, seconds, samples)?;
        }
    }
    Ok(samples)
}

#[expect(clippy::cast_precision_loss, reason = "the numbers are far below 2^52")]
fn measure_server(
    server: Server,
    requests: &[Request],
    connections: Connections,
    seconds: u32,
    samples: &mut ServerSamples,
) -> Result<()> {
    let before = Costs::of(server.pid)?;
    let load = wrk(server.address, requests, connections, seconds)?;
    let costs = Costs::of(server.pid)?.since(before);
    samples.cpu.push(costs.cpu.as_secs_f64() / load.requests);
    samples.requests_per_second.push(load.requests / load.seconds);
    samples.switches.push(costs.context_switches as f64 / load.requests);
    Ok(())
}
