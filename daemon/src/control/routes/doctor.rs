//! `GET /v1/doctor`: what only the daemon can check. The client adds what only a shell can check.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use ssod_control::{Check, CheckState, Paths};
use ssod_model::CredentialSource;
use ssod_vault::KeyStore;
use tokio::net::TcpStream;

use crate::config::problem::{Area, Problem};
use crate::control::context::DaemonFacts;
use crate::control::failure::Answer;
use crate::control::report::Reporter;
use crate::live_broker::LiveBroker;
use crate::vault::keeper::VaultKeeper;
use crate::vault::state::{VaultState, locked_reason};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

pub(in crate::control) async fn answer(
    State(reporter): State<Reporter>,
    State(broker): State<LiveBroker>,
    State(keeper): State<VaultKeeper>,
    State(paths): State<Arc<Paths>>,
    State(facts): State<Arc<DaemonFacts>>,
) -> Answer<Vec<Check>> {
    let problems = reporter.problems();
    let mut checks = port(facts.port).await;
    checks.push(key_store(&keeper.state()));
    let checked_paths = paths.clone();
    let permissions = tokio::task::spawn_blocking(move || permissions(&checked_paths)).await;
    checks.extend(permissions.unwrap_or_default());
    checks.push(memory());
    if !problems.iter().any(|problem| problem.area == Area::Clock) {
        checks.push(Check::ok("clock", "Nothing indicates that this machine's clock is wrong."));
    }
    let is_configured = !problems.iter().any(Problem::is_configuration);
    checks.extend(problems.iter().map(Problem::check));
    checks.extend(profiles(&broker, &paths, is_configured));
    Ok(Json(checks))
}

/// Connects to our own port, as an SDK would, and checks whether the kernel tells the caller's uid.
async fn port(port: u16) -> Vec<Check> {
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(server)).await;
    let connection = match connected {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return vec![unreachable(port, &error.to_string())],
        Err(_) => return vec![unreachable(port, "it did not answer within a second")],
    };
    let held = Check::ok("port", format!("127.0.0.1:{port} is held by this daemon."));
    let (Ok(SocketAddr::V4(client)), SocketAddr::V4(server)) = (connection.local_addr(), server) else {
        return vec![held];
    };
    let begun = Instant::now();
    let caller = match ssod_peer::tcp_peer(client, server) {
        _ if !ssod_peer::TELLS_TCP_PEERS => Check::warning(
            "caller check",
            "This system does not tell which user made a loopback connection, so the endpoint's tokens are the only check.",
            "There is nothing to do; see the README",
        ),
        Ok(Some(peer)) if peer.uid == ssod_peer::own_uid() => {
            let took = begun.elapsed().as_micros();
            Check::ok(
                "caller check",
                format!("The kernel tells which user made each connection ({took} µs)."),
            )
        }
        Ok(_) | Err(_) => Check::failed(
            "caller check",
            "The kernel does not tell which user made a loopback connection, so ssod refuses all of them.",
            "If a sandbox or a container forbids netlink sockets (AF_NETLINK), allow them; the kernel needs inet_diag",
        ),
    };
    vec![held, caller]
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
        VaultState::Locked | VaultState::Failed(_) | VaultState::Broken { .. } => {
            let closed = vault.closed_reason().unwrap_or_else(locked_reason);
            let check = Check::failed("key store", closed.reason, closed.remedy);
            // The user's own lock is no failure.
            if *vault == VaultState::Locked { Check { state: CheckState::Warning, ..check } } else { check }
        }
    }
}

/// Checks that other users cannot access what ssod stores, nor change what it reads.
fn permissions(paths: &Paths) -> Vec<Check> {
    let mut ours =
        vec![paths.state.clone(), paths.vault(), paths.runtime.clone(), paths.tokens(), paths.socket.clone()];
    for folder in [paths.vault(), paths.tokens()] {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        ours.extend(entries.map(|entry| entry.path()));
    }
    ours.extend([paths.audit(), paths.memory(), paths.lock()]);
    let open: Vec<PathBuf> = ours.into_iter().filter(|path| open_to(path, 0o077)).collect();
    // Settings are not secret, but a user who can write them chooses the command that runs as the browser.
    let written: Vec<PathBuf> = [&paths.settings, &paths.aws_config]
        .into_iter()
        .filter(|path| open_to(path, 0o022))
        .cloned()
        .collect();
    if open.is_empty() && written.is_empty() {
        return vec![Check::ok(
            "permissions",
            "Only you can read what ssod stores and change what it reads.",
        )];
    }
    let others = |paths: &[PathBuf], can: &str, remedy: &str| {
        (!paths.is_empty()).then(|| {
            let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
            Check::failed("permissions", format!("Other users can {can} {}.", names.join(", ")), remedy)
        })
    };
    let read =
        others(&open, "access", "Remove their access: chmod go= FILE; for files that are not yours: chown");
    read.into_iter().chain(others(&written, "change", "Remove their access: chmod go-w FILE")).collect()
}

/// Returns whether the file exists and other users have one of these rights to it, or own it.
fn open_to(path: &Path, rights: u32) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|facts| facts.mode() & rights != 0 || facts.uid() != ssod_peer::own_uid())
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
    Check::ok("memory", "The system keeps other processes out of the daemon's memory.")
}

/// The profiles of the AWS config file, and those that `--profile` takes past ssod.
fn profiles(broker: &LiveBroker, paths: &Paths, is_configured: bool) -> Vec<Check> {
    let mut checks = Vec::new();
    let profiles: Vec<_> =
        broker.profile_names().into_iter().filter_map(|name| broker.profile(&name)).collect();
    let file = paths.aws_config.display();
    if is_configured && profiles.is_empty() {
        let message = format!("{file} has no profile for ssod.");
        checks.push(Check::warning("configuration", message, "Add one: ssod configure"));
    } else if is_configured {
        let names: Vec<_> = profiles.iter().map(|profile| profile.name.as_str()).take(5).collect();
        let more = if profiles.len() > names.len() { ", …" } else { "" };
        checks.push(Check::ok("configuration", format!("{file} has {}{more} for ssod.", names.join(", "))));
    }
    let aws_form: Vec<_> =
        profiles.iter().filter(|profile| profile.aws_form).map(|profile| profile.name.as_str()).collect();
    checks.extend(in_aws_form(&aws_form));
    checks
}

/// One check for all profiles that `--profile` takes past ssod: an organisation may have thousands.
fn in_aws_form(profiles: &[&str]) -> Option<Check> {
    let (message, hint) = match profiles {
        [] => return None,
        [name] => (
            format!("Profile \"{name}\" is in AWS's own form, so --profile {name} bypasses ssod."),
            format!("Convert it: ssod configure --convert {name}"),
        ),
        [first, ..] => (
            format!(
                "{} profiles are in AWS's own form, so --profile {first}, for example, bypasses ssod.",
                profiles.len()
            ),
            "Convert them: ssod configure --convert --all".to_owned(),
        ),
    };
    Some(Check::warning("profile", message, hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_profiles_in_awss_form_are_one_line() {
        assert_eq!(in_aws_form(&[]), None);
        let one = in_aws_form(&["a"]).unwrap();
        assert_eq!(one.hint.as_deref(), Some("Convert it: ssod configure --convert a"));
        let many = in_aws_form(&vec!["a"; 10_000]).unwrap();
        assert!(
            many.message.starts_with("10000 profiles are in AWS's own form, so --profile a,"),
            "{}",
            many.message
        );
        assert_eq!(many.hint.as_deref(), Some("Convert them: ssod configure --convert --all"));
    }
}
