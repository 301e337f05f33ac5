//! Requests for container credentials that are in memory, beside bare hyper with the same answer.

use anyhow::Result;
use ssod_testkit::Sandbox;

use super::load::Connections;
use super::options::Options;
use super::rounds::{ServerSamples, measure_servers};
use super::servers::{StaticServer, container_request, daemon, signed_in_sandbox};
use super::table::{Goal, Row, Unit};

const LEVELS: [usize; 4] = [1, 16, 64, 256];

/// Measures kept connections at each level.
pub(super) fn rows(options: &Options) -> Result<Vec<Row>> {
    let mut sandbox = Sandbox::new();
    signed_in_sandbox(&mut sandbox);
    let (ssod, requests) = (daemon(&sandbox), [container_request(&sandbox)]);
    let hyper = StaticServer::recording(ssod.address, &requests)?;
    let mut rows = Vec::new();
    for level in LEVELS {
        let servers = [(ssod, requests.as_slice()), (hyper.server(), requests.as_slice())];
        let [ssod, hyper] = measure_servers(servers, Connections::Kept(level), options.seconds())?;
        rows.extend(compare(level, ssod, hyper));
    }
    Ok(rows)
}

fn compare(level: usize, ssod: ServerSamples, hyper: ServerSamples) -> [Row; 3] {
    let at = match level {
        1 => "1 connection".to_owned(),
        more => format!("{more} connections"),
    };
    [
        Row::new(format!("CPU per container request, {at}"), Unit::Seconds, ssod.cpu)
            .ratio_to("bare hyper", hyper.cpu)
            .goal(Goal::at_most(1.25).stretch(1.10)),
        Row::new(format!("container requests, {at}"), Unit::PerSecond, ssod.requests_per_second)
            .ratio_to("bare hyper", hyper.requests_per_second)
            .goal(Goal::at_least(0.80).stretch(0.90)),
        Row::new(format!("context switches per container request, {at}"), Unit::Count, ssod.switches)
            .beyond("bare hyper", hyper.switches)
            .goal(Goal::at_most(0.01)),
    ]
}
