//! Load by wrk, which Debian has.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::http::Request;

/// Whether each request has a connection of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::bench) enum Connections {
    /// So many, each of which is kept for all of its requests.
    Kept(usize),
    /// So many at the same time, each of which ends after its request.
    New(usize),
}

/// What a run of wrk did.
#[derive(Clone, Copy, Debug)]
pub(in crate::bench) struct Load {
    pub(in crate::bench) requests: f64,
    pub(in crate::bench) seconds: f64,
}

/// Sends these requests in turn for so many seconds. Fails if an answer is not a success.
pub(in crate::bench) fn wrk(
    server: SocketAddr,
    requests: &[Request],
    connections: Connections,
    seconds: u32,
) -> Result<Load> {
    let (Connections::Kept(count) | Connections::New(count)) = connections;
    let mut script = tempfile::Builder::new().suffix(".lua").tempfile()?;
    script.write_all(lua(requests, connections).as_bytes())?;
    let mut command = Command::new("wrk");
    // One thread of wrk for one connection, else one for each of the two workers of the server.
    command.args(["--threads", if count == 1 { "1" } else { "2" }]);
    command.args(["--connections", &count.to_string(), "--duration", &format!("{seconds}s"), "--script"]);
    let output = command.arg(script.path()).arg(format!("http://{server}/")).output();
    let output = output.context("cannot run wrk")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "wrk failed: {text}{}", String::from_utf8_lossy(&output.stderr));
    parse(&text).with_context(|| format!("not every request succeeded: {text}"))
}

/// Returns a script that sends the requests in turn. They are formatted once, so the script costs little.
fn lua(requests: &[Request], connections: Connections) -> String {
    let mut script = String::from("local requests, turn = {}, 0\nfunction init(args)\n");
    for request in requests {
        let mut headers = String::from("[\"Host\"] = \"127.0.0.1\"");
        for (name, value) in &request.headers {
            let _ = write!(headers, ", [{name:?}] = {value:?}");
        }
        if matches!(connections, Connections::New(_)) {
            headers += ", [\"Connection\"] = \"close\"";
        }
        let _ = writeln!(
            script,
            "  requests[#requests + 1] = wrk.format({:?}, {:?}, {{ {headers} }})",
            request.method, request.path
        );
    }
    script
        + "end\nfunction request()\n  turn = turn % #requests + 1\n  return requests[turn]\nend\n\
           function done(summary)\n\
             local errors = summary.errors\n\
             local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout\n\
             print(\"LOAD\", summary.requests, summary.duration, failed)\n\
           end\n"
}

/// Returns the load from the line that the script prints, if no request failed.
fn parse(output: &str) -> Option<Load> {
    let line = output.lines().find_map(|line| line.strip_prefix("LOAD"))?;
    let mut numbers = line.split_whitespace().map(str::parse::<f64>);
    let (requests, microseconds, failed) =
        (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
    (failed < 0.5 && requests > 0.5).then_some(Load { requests, seconds: microseconds / 1e6 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_with_a_failed_request_is_none() {
        let load = parse("Running 1s test\nLOAD\t5000\t1000000\t0\n").unwrap();
        assert!((load.requests - 5_000.0).abs() < 1e-9 && (load.seconds - 1.0).abs() < 1e-9);
        assert!(parse("LOAD\t5000\t1000000\t1\n").is_none());
        assert!(parse("LOAD\t0\t1000000\t0\n").is_none());
    }

    #[test]
    fn a_script_has_each_request() {
        let requests = [Request::get("/a", &[("authorization", "t")]), Request::new("PUT", "/b", &[])];
        let script = lua(&requests, Connections::New(1));
        assert!(script.contains(
            r#"wrk.format("GET", "/a", { ["Host"] = "127.0.0.1", ["authorization"] = "t", ["Connection"] = "close" })"#
        ));
        assert!(script.contains(r#"wrk.format("PUT", "/b""#));
    }
}
