//! `cargo xtask interop`: runs real AWS clients against real ssod processes and a moto that enforces policies, and
//! generates the tables of what works.

mod all_clients;
mod behaviours;
mod call;
mod clients;
mod commands;
mod identity;
mod recorder;
mod setup;
mod table;
mod tools;
mod ways;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, ensure};
use clap::Args;
use ssod_testkit::Moto;

use self::all_clients::CLIENTS;
use self::clients::Client;
use self::setup::{Lifetime, signed_in};
use self::table::Row;
use self::tools::{Tool, boto3_environment, source};
use self::ways::Way;
use crate::workspace::{BuildProfile, build_programs, root};

/// How many clients are measured at the same time. They wait for processes and for moto, more than they compute.
const WORKERS: usize = 8;

#[derive(Args)]
pub(crate) struct Interop {
    /// Compare what is measured with the tables in the repository, instead of writing them.
    #[arg(long)]
    check: bool,
    /// Run only the clients that are quick to install.
    #[arg(long)]
    quick: bool,
    /// Run only the clients whose name contains one of these words.
    clients: Vec<String>,
}

pub(crate) fn run(interop: &Interop) -> Result<()> {
    let is_selected = |client: &&Client| {
        let is_named = |word: &String| client.name.to_lowercase().contains(&word.to_lowercase());
        (client.in_test || !interop.quick)
            && (interop.clients.is_empty() || interop.clients.iter().any(is_named))
    };
    let selected: Vec<&Client> = CLIENTS.iter().filter(is_selected).collect();
    ensure!(!selected.is_empty(), "no client has such a name");
    // moto is in the environment of boto3.
    let tools = selected.iter().map(|client| client.tool).chain([Tool::Boto3]);
    for tool in tools.flat_map(|tool| [tool.requires(), Some(tool)]).flatten().collect::<BTreeSet<_>>() {
        tool.install()?;
    }
    build_programs(BuildProfile::Debug)?;
    let moto = Moto::start_with(&boto3_environment(), &source("moto_setup.py"));
    let measured = measure(&selected, &moto)?;
    let (ways, behaviours): (Vec<Row>, Vec<Row>) =
        measured.into_iter().map(|rows| (rows.ways, rows.behaviours)).unzip();
    for (file, header, rows) in
        [("README.md", ways_header(), ways), ("tests/interop/README.md", behaviours_header(), behaviours)]
    {
        record(interop.check, &root().join(file), &header, &rows)?;
    }
    Ok(())
}

/// Writes the rows into the file's table, or compares them with it.
fn record(check: bool, file: &Path, header: &[&str], rows: &[Row]) -> Result<()> {
    let names: Vec<&str> = CLIENTS.iter().map(|client| client.name).collect();
    if !check {
        return table::write(file, header, rows, &names);
    }
    let own_version = CLIENTS.iter().filter(|client| client.tool.is_debian());
    let own_version: Vec<&str> = own_version.map(|client| client.name).collect();
    table::compare(file, header, rows, &names, &own_version)
}

fn ways_header() -> Vec<&'static str> {
    let mut titles = vec!["client", "version"];
    titles.extend(Way::ALL.map(Way::title));
    titles.push("what it cannot do, and why");
    titles
}

fn behaviours_header() -> Vec<&'static str> {
    let mut titles = vec!["client", "version"];
    titles.extend(behaviours::TITLES);
    titles
}

/// A client's rows of both tables.
struct Rows {
    ways: Row,
    behaviours: Row,
}

/// Measures the clients, some at the same time. Fails with all differences from what the clients are known to support.
fn measure(clients: &[&Client], moto: &Moto) -> Result<Vec<Rows>> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(client) = clients.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // The test kit panics if a sandbox cannot be set up, which must not end the other measurements.
                    let result =
                        std::thread::scope(|scope| scope.spawn(|| measure_client(client, moto)).join());
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((client.name, result));
                }
            });
        }
    });
    let (mut rows, mut failures) = (Vec::new(), Vec::new());
    for (name, result) in results.into_inner().unwrap_or_else(PoisonError::into_inner) {
        match result {
            Ok(Ok(row)) => rows.push(row),
            Ok(Err(error)) => failures.push(format!("{name}: {error:#}")),
            Err(_) => failures.push(format!("{name}: the measurement panicked, see above")),
        }
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(rows)
}

fn measure_client(client: &Client, moto: &Moto) -> Result<Rows> {
    let begin = || -> Result<Row> { Ok(vec![client.name.to_owned(), (client.version)()?]) };
    let rows = Rows {
        ways: [begin()?, measure_ways(client, moto)?].concat(),
        // A loaded machine can exceed a client's time limits, so a failure is measured again.
        behaviours: [
            begin()?,
            behaviours::measure(client, moto).or_else(|_| behaviours::measure(client, moto))?,
        ]
        .concat(),
    };
    println!("{}\n  {}", rows.ways.join(" | "), rows.behaviours.join(" | "));
    Ok(rows)
}

/// Measures every way of a client. Fails if a way works that it is not known to support, or the other way round.
fn measure_ways(client: &Client, moto: &Moto) -> Result<Row> {
    let sandbox = signed_in(moto, Lifetime("1h"));
    let (mut row, mut reasons) = (Row::new(), Vec::new());
    let mut surprises = Vec::new();
    for way in Way::ALL {
        let limit = client.limit(way);
        let mut outcome = identity::check(client, way, &sandbox, moto);
        if outcome.is_err() && limit.is_none() {
            // Some clients give the endpoint less than a second, which a loaded machine can exceed.
            outcome = identity::check(client, way, &sandbox, moto);
        }
        match (outcome, limit) {
            (Ok(()), None) => row.push("yes".to_owned()),
            (Err(_), Some(reason)) => {
                row.push("no".to_owned());
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
            (Ok(()), Some(reason)) => surprises.push(format!("{} works, although it {reason}", way.title())),
            (Err(error), None) => surprises.push(format!("{} does not work: {error:#}", way.title())),
        }
    }
    ensure!(surprises.is_empty(), "{}", surprises.join("\n  "));
    row.push(reasons.join("; "));
    Ok(row)
}
