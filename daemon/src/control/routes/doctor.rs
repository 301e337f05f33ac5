//! `GET /v1/doctor`: the checks that only the daemon can make. The client adds the checks of the shell.

mod network;
mod permissions;
mod sign_ins;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use ssod_control::{Check, CheckGroup, CheckState, Paths};
use ssod_private_files::Need;
use ssod_vault::KeyStore;
use tokio::net::TcpStream;

use self::permissions::Protected;
use crate::config::live_settings::LiveSettings;
use crate::config::problem::{Area, Problem};
use crate::control::context::DaemonFacts;
use crate::control::failure::RouteResult;
use crate::control::report::Reporter;
use crate::live_broker::LiveBroker;
use crate::system::file_access;
use crate::vault::keeper::VaultKeeper;
use crate::vault::state::{VaultState, locked_reason};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

pub(in crate::control) async fn answer(
    State(reporter): State<Reporter>,
    State(broker): State<LiveBroker>,
    State(keeper): State<VaultKeeper>,
    State(settings): State<LiveSettings>,
    State(paths): State<Arc<Paths>>,
    State(facts): State<Arc<DaemonFacts>>,
) -> RouteResult<Vec<Check>> {
    // The slowest check runs beside the others.
    let reachability = tokio::spawn({
        let broker = broker.clone();
        async move { network::reachability(&broker).await }
    });
    let (problems, status) = (reporter.problems(), reporter.status());
    let mut checks = machine(facts.port, &keeper.state(), &problems).await;
    checks.extend(grouped(CheckGroup::SignIns, sign_ins::sessions(&status.sessions)));
    checks.extend(grouped(CheckGroup::SignIns, sign_ins::profiles(&status.profiles)));
    checks.extend(grouped(CheckGroup::Aws, reachability.await.unwrap_or_default()));
    checks.extend(grouped(CheckGroup::Aws, network::overrides(&facts, &broker)));
    checks.extend(grouped(CheckGroup::Files, access(&paths, &facts, &settings).await));
    if !problems.iter().any(Problem::is_configuration) {
        let names: Vec<_> = status.profiles.iter().map(|profile| profile.name.as_str()).collect();
        checks.push(configuration(&names, &paths).in_group(CheckGroup::Files));
    }
    checks.extend(problems.iter().map(Problem::check));
    Ok(Json(checks))
}

/// Checks who can change or read ssod's files. They may be on a file system that does not answer.
async fn access(paths: &Arc<Paths>, facts: &Arc<DaemonFacts>, settings: &LiveSettings) -> Vec<Check> {
    let (checked, facts, settings) = (paths.clone(), facts.clone(), settings.current());
    let check = move || {
        let protected = protected(&checked, &facts, &settings.login.browser);
        permissions::check(&protected, &checked.home)
    };
    let lane = paths.home.join("permissions");
    file_access::access(&lane, check).await.unwrap_or_else(|error| {
        let message = format!("The permissions of ssod's files are not known: {error}.");
        vec![Check::failed(
            "permissions",
            message,
            "Check whether your home folder is on a network drive that answers",
        )]
    })
}

fn grouped(group: CheckGroup, checks: Vec<Check>) -> impl Iterator<Item = Check> {
    checks.into_iter().map(move |check| check.in_group(group))
}

/// Checks the daemon and this machine.
async fn machine(port_number: u16, vault: &VaultState, problems: &[Problem]) -> Vec<Check> {
    let mut checks = port(port_number).await;
    checks.extend([key_store(vault), memory()]);
    checks.extend(replaced_program());
    if !problems.iter().any(|problem| problem.area == Area::Clock) {
        checks.push(Check::ok("clock", "Nothing indicates that this machine's clock is wrong."));
    }
    grouped(CheckGroup::Daemon, checks).collect()
}

/// Reports whether an upgrade has replaced the program that this daemon runs. Linux then marks the path of the program.
fn replaced_program() -> Option<Check> {
    let program = std::env::current_exe().ok()?;
    program.to_str()?.ends_with(" (deleted)").then(|| {
        Check::warning(
            "program",
            "The program of this daemon was replaced or removed, so the daemon still runs the previous one.",
            "Restart it: ssod service stop; ssod service start",
        )
    })
}

/// Connects to the endpoint's port as an SDK does, and checks whether the kernel reports the caller's uid.
async fn port(port: u16) -> Vec<Check> {
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(server)).await;
    let connection = match connected {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return vec![unreachable(port, &error.to_string())],
        Err(_) => return vec![unreachable(port, "it did not answer within a second")],
    };
    let port_held = Check::ok("port", format!("127.0.0.1:{port} is held by this daemon."));
    let (Ok(SocketAddr::V4(client)), SocketAddr::V4(server)) = (connection.local_addr(), server) else {
        return vec![port_held];
    };
    let begun = Instant::now();
    let caller = match ssod_peer::tcp_peer(client, server) {
        _ if !ssod_peer::IDENTIFIES_TCP_PEERS => Check::warning(
            "caller check",
            "This system does not report which user made a loopback connection, so the endpoint's tokens are the only check.",
            "There is nothing to do; see the README",
        ),
        Ok(Some(peer)) if peer.uid == ssod_peer::own_uid() => {
            let took = begun.elapsed().as_micros();
            Check::ok(
                "caller check",
                format!("The kernel reports which user made each connection ({took} µs)."),
            )
        }
        Ok(_) | Err(_) => Check::failed(
            "caller check",
            "The kernel does not report which user made a loopback connection, so ssod refuses all of them.",
            "If a sandbox or a container forbids netlink sockets (AF_NETLINK), allow them; the kernel needs inet_diag",
        ),
    };
    vec![port_held, caller]
}

fn unreachable(port: u16, why: &str) -> Check {
    let hint = "Check whether a firewall or a sandbox blocks loopback connections";
    Check::failed("port", format!("127.0.0.1:{port} cannot be reached: {why}."), hint)
}

fn key_store(vault: &VaultState) -> Check {
    match vault {
        VaultState::Open(KeyStore::File) => Check::warning(
            "key store",
            "The vault's key is in a file: every program that can read your files can open the vault.",
            "If there is a keyring: set key = \"secret-service\" under [vault] in config.toml, then: ssod vault move secret-service",
        ),
        VaultState::Open(KeyStore::Keyutils) => {
            Check::ok("key store", "The vault's key is in the kernel's keyring, until the next reboot.")
        }
        VaultState::Open(store) => Check::ok("key store", format!("The vault's key is in {store}.")),
        VaultState::Opening => {
            Check::failed("key store", "The vault is being opened.", "Try again in a moment")
        }
        VaultState::Locked
        | VaultState::NoKeyStore { .. }
        | VaultState::Failed(_)
        | VaultState::Broken { .. } => {
            let closed = vault.closed_reason().unwrap_or_else(locked_reason);
            let check = Check::failed("key store", closed.reason, closed.remedy);
            // A lock by the user is not a failure.
            if *vault == VaultState::Locked { Check { state: CheckState::Warning, ..check } } else { check }
        }
    }
}

/// Returns what other users must not access or change.
fn protected(paths: &Paths, facts: &DaemonFacts, browser: &str) -> Vec<Protected> {
    let mut private =
        vec![paths.state.clone(), paths.vault(), paths.runtime.clone(), paths.tokens(), paths.socket.clone()];
    private.push(paths.vault_counter());
    for folder in [paths.vault(), paths.tokens()] {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        private.extend(entries.map(|entry| entry.path()));
    }
    for log in [paths.audit(), paths.audit_refusals()] {
        private.extend([Paths::before(&log), Paths::chain_head(&log), log]);
    }
    private.extend([paths.memory(), paths.lock(), paths.log()]);
    // These are not secret, but a user who can write the settings chooses the program that runs as the browser, and a
    // user who can write the certificates can read what ssod sends.
    let mut unchanged = vec![paths.settings.clone(), paths.aws_config.clone(), paths.aws_credentials.clone()];
    unchanged.extend(facts.network.ca_bundle.as_ref().map(|bundle| bundle.path.clone()));
    let program = shlex::split(browser).and_then(|words| words.into_iter().next()).map(PathBuf::from);
    unchanged.extend(program.filter(|program| program.is_absolute()));
    let with = |need| move |path| Protected { path, need };
    private
        .into_iter()
        .map(with(Need::Private))
        .chain(unchanged.into_iter().map(with(Need::Unchanged)))
        .collect()
}

#[cfg(target_os = "linux")]
fn memory() -> Check {
    use rustix::process::{DumpableBehavior, Resource, dumpable_behavior, getrlimit};
    let closed = dumpable_behavior().is_ok_and(|behavior| behavior == DumpableBehavior::NotDumpable);
    let no_core = getrlimit(Resource::Core).current == Some(0);
    if closed && no_core {
        return Check::ok(
            "memory",
            "No other process can read the daemon's memory, and a crash leaves no core file.",
        );
    }
    let hint = "A sandbox may forbid prctl; see the daemon's log";
    Check::failed(
        "memory",
        "Other processes of yours can read the daemon's memory, or a crash leaves it on disk.",
        hint,
    )
}

#[cfg(not(target_os = "linux"))]
fn memory() -> Check {
    Check::warning(
        "memory",
        "On this system, ssod does not keep your other processes from reading the daemon's memory.",
        "There is nothing to do; see the README",
    )
}

/// Returns which profiles the AWS config file has for ssod.
fn configuration(profiles: &[&str], paths: &Paths) -> Check {
    let file = paths.aws_config.display();
    if profiles.is_empty() {
        return Check::warning(
            "configuration",
            format!("{file} has no profile for ssod."),
            "Add one: ssod configure",
        );
    }
    let shown = profiles.get(..5).unwrap_or(profiles);
    let more = if profiles.len() > shown.len() { ", …" } else { "" };
    Check::ok("configuration", format!("{file} has {}{more} for ssod.", shown.join(", ")))
}
