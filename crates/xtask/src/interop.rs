//! `cargo xtask interop`: runs real AWS clients against real ssod processes and a moto that enforces policies, and
//! generates the tables of what works.

mod call;
mod clients;
mod table;
mod tools;
mod ways;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, ensure};
use clap::Args;
use ssod_testkit::{Moto, Sandbox, free_port};

use self::clients::{CLIENTS, Client};
use self::table::Row;
use self::tools::{Tool, boto3_environment, source};
use self::ways::{USERS, Way};
use crate::workspace::{BuildProfile, build_programs, root};

/// How many clients are measured at the same time. They wait for processes and for moto, more than they compute.
const WORKERS: usize = 4;

#[derive(Args)]
pub(crate) struct Interop {
    /// Compare what is measured with the tables in the repository, instead of writing them.
    #[arg(long)]
    check: bool,
    /// Run only the clients of `cargo xtask test`.
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
    for tool in tools.collect::<BTreeSet<_>>() {
        tool.install()?;
    }
    build_programs(BuildProfile::Debug)?;
    let moto = Moto::start_with(&boto3_environment(), &source("moto_setup.py"));
    let rows = measure(&selected, &moto)?;
    let names: Vec<&str> = CLIENTS.iter().map(|client| client.name).collect();
    let readme = root().join("README.md");
    if interop.check {
        let own_version = CLIENTS.iter().filter(|client| client.tool == Tool::Debian);
        let own_version: Vec<&str> = own_version.map(|client| client.name).collect();
        table::compare(&readme, &header(), &rows, &names, &own_version)
    } else {
        table::write(&readme, &header(), rows, &names)
    }
}

fn header() -> Vec<&'static str> {
    let mut titles = vec!["client", "version"];
    titles.extend(Way::ALL.map(Way::title));
    titles.push("what it cannot do, and why");
    titles
}

/// Measures the clients, some at the same time. Fails with all differences from what the clients are known to support.
fn measure(clients: &[&Client], moto: &Moto) -> Result<Vec<Row>> {
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

/// Measures every way of a client. Fails if a way works that it is not known to support, or the other way round.
fn measure_client(client: &Client, moto: &Moto) -> Result<Row> {
    let sandbox = signed_in(moto);
    let (mut row, mut reasons) = (vec![client.name.to_owned(), (client.version)()?], Vec::new());
    let mut surprises = Vec::new();
    for way in Way::ALL {
        let limit = client.limit(way);
        let mut outcome = ways::check(client, way, &sandbox, moto);
        if outcome.is_err() && limit.is_none() {
            // Some clients give the endpoint less than a second, which a loaded machine can exceed.
            outcome = ways::check(client, way, &sandbox, moto);
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
    println!("measured {}", row.join(" | "));
    Ok(row)
}

/// Returns a sandbox in which both users have signed in, whose credentials are valid at moto, and in which each profile
/// has its own port for IMDS.
fn signed_in(moto: &Moto) -> Sandbox {
    let mut sandbox = Sandbox::with_fake(&moto.fake_options());
    let [first, second] = USERS.map(|user| format!("{} = {}", user.profile, free_port()));
    sandbox.add_settings(&format!("[imds]\nprofiles = {{ {first}, {second} }}\n"));
    for user in USERS {
        sandbox.configure(user);
    }
    sandbox.start_daemon();
    for user in USERS {
        sandbox.login(user).succeeded();
    }
    sandbox
}
