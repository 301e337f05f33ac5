//! An IMDSv2 exchange of three requests, beside bare hyper with the same three answers.

use anyhow::Result;
use ssod_testkit::Sandbox;

use super::load::{Connections, Request};
use super::options::Options;
use super::rounds::measure_servers;
use super::servers::{Server, StaticServer, USER, daemon, signed_in_sandbox};
use super::table::{Goal, Row, Samples, Unit};

const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

/// Measures the exchange on one connection and on sixteen.
pub(super) fn rows(options: &Options) -> Result<Vec<Row>> {
    let mut sandbox = Sandbox::new();
    signed_in_sandbox(&mut sandbox);
    sandbox.ssod(&["use", USER.profile]).succeeded();
    let ssod = daemon(&sandbox);
    let requests = exchange_requests(ssod)?;
    let hyper = StaticServer::recording(ssod.address, &requests)?;
    let mut rows = Vec::new();
    for (level, at) in [(1, "1 connection"), (16, "16 connections")] {
        let servers = [(ssod, requests.as_slice()), (hyper.server(), requests.as_slice())];
        let [ssod, hyper] = measure_servers(servers, Connections::Kept(level), options.seconds())?;
        // The samples are per request.
        let per_exchange = |samples: Samples| samples.scaled(3.0);
        rows.push(
            Row::new(format!("CPU per IMDS exchange, {at}"), Unit::Seconds, per_exchange(ssod.cpu))
                .ratio_to("three static answers", per_exchange(hyper.cpu))
                .goal(Goal::at_most(1.4)),
        );
        rows.push(
            Row::new(format!("IMDS requests, {at}"), Unit::PerSecond, ssod.requests_per_second)
                .ratio_to("static answers", hyper.requests_per_second),
        );
    }
    Ok(rows)
}

/// Returns the requests for a token, for the name of the role, and for its credentials. A token is valid for all
/// exchanges of the run, so the load generator needs to read no answer.
fn exchange_requests(ssod: Server) -> Result<[Request; 3]> {
    let token =
        Request::new("PUT", "/latest/api/token", &[("X-aws-ec2-metadata-token-ttl-seconds", "21600")]);
    let value = token.record(ssod.address)?.body;
    let with_token = [("X-aws-ec2-metadata-token", value.as_str())];
    let role = Request::get(ROLES, &with_token);
    let name = role.record(ssod.address)?.body;
    Ok([token, role, Request::get(format!("{ROLES}{name}"), &with_token)])
}
