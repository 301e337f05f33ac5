//! `GET /v1/doctor`: what only the daemon can look at. The client adds what only a shell can.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use ssod_control::{Check, Paths};
use ssod_model::CredentialSource;
use tokio::net::TcpStream;

use super::{Answer, sentence, status};
use crate::app::Shared;

const PATIENCE: Duration = Duration::from_secs(1);

pub(super) async fn answer(State(shared): State<Arc<Shared>>) -> Answer<Vec<Check>> {
    let mut checks = port(shared.port).await;
    checks.push(key_store(&shared));
    let paths = shared.paths.clone();
    checks.extend(tokio::task::spawn_blocking(move || permissions(&paths)).await.unwrap_or_default());
    checks.push(memory());
    checks.push(match shared.clock.wrong_by() {
        Some(by) => Check::failed("clock", status::wrong_clock(by), status::WRONG_CLOCK),
        None => Check::ok("clock", "Nothing says that this machine's clock is wrong."),
    });
    checks.extend(configuration(&shared));
    Ok(Json(checks))
}

/// Connects to our own port, as an SDK would, and looks whether the caller's uid can be told.
async fn port(port: u16) -> Vec<Check> {
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let connected = tokio::time::timeout(PATIENCE, TcpStream::connect(server)).await;
    let connection = match connected {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => return vec![unreachable(port, &error.to_string())],
        Err(_) => return vec![unreachable(port, "nobody answered within a second")],
    };
    let held = Check::ok("port", format!("127.0.0.1:{port} is held by this daemon."));
    let (Ok(SocketAddr::V4(client)), SocketAddr::V4(server)) = (connection.local_addr(), server) else {
        return vec![held];
    };
    let begun = Instant::now();
    let caller = match ssod_peer::tcp_peer(client, server) {
        _ if !ssod_peer::TELLS_TCP_PEERS => Check::warning(
            "caller check",
            "This system does not tell whose a loopback connection is; the endpoint's tokens stand alone.",
            "Nothing is to be done; see the README",
        ),
        Ok(Some(peer)) if peer.uid == ssod_peer::own_uid() => {
            let took = begun.elapsed().as_micros();
            Check::ok("caller check", format!("The kernel tells whose each connection is ({took} µs)."))
        }
        Ok(_) | Err(_) => Check::failed(
            "caller check",
            "The kernel does not tell whose a loopback connection is, so ssod refuses them all.",
            "Allow netlink sockets (AF_NETLINK) where a sandbox or a container forbids them; the kernel needs inet_diag",
        ),
    };
    vec![held, caller]
}

fn unreachable(port: u16, why: &str) -> Check {
    let hint = "Look for a firewall or a sandbox that keeps loopback connections back";
    Check::failed("port", format!("127.0.0.1:{port} cannot be reached: {why}."), hint)
}

fn key_store(shared: &Shared) -> Check {
    if let Some(store) = shared.keeper.key_store() {
        return match store {
            ssod_vault::KeyStore::File => Check::warning(
                "key store",
                "The vault's key is in a file: whoever can read your files can open the vault.",
                "Where there is a keyring: set key = \"secret-service\" under [vault] in config.toml, then: ssod vault move secret-service",
            ),
            ssod_vault::KeyStore::Keyutils => {
                Check::ok("key store", "The vault's key is in the kernel's keyring, until the next reboot.")
            }
            store => Check::ok("key store", format!("The vault's key is in {store}.")),
        };
    }
    let vault = shared.keeper.status();
    let message = vault.reason.unwrap_or_else(|| "The vault is being opened.".to_owned());
    let hint = vault.hint.unwrap_or_else(|| "Try again in a moment".to_owned());
    if vault.state == "locked" && hint.contains("ssod unlock") {
        Check::warning("key store", message, hint)
    } else {
        Check::failed("key store", message, hint)
    }
}

/// Everything of ours must be closed to others.
fn permissions(paths: &Paths) -> Vec<Check> {
    let mut ours =
        vec![paths.state.clone(), paths.vault(), paths.runtime.clone(), paths.tokens(), paths.socket.clone()];
    for folder in [paths.vault(), paths.tokens()] {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        ours.extend(entries.map(|entry| entry.path()));
    }
    ours.extend([paths.audit(), paths.memory(), paths.lock()]);
    let open: Vec<PathBuf> = ours.into_iter().filter(|path| open_to(path, 0o077)).collect();
    // Settings are no secret, but whoever writes them decides what is run as the browser.
    let written: Vec<PathBuf> = [&paths.settings, &paths.aws_config]
        .into_iter()
        .filter(|path| open_to(path, 0o022))
        .cloned()
        .collect();
    if open.is_empty() && written.is_empty() {
        return vec![Check::ok(
            "permissions",
            "Only you can read what ssod keeps, and change what it reads.",
        )];
    }
    let others = |paths: &[PathBuf], can: &str, remedy: &str| {
        (!paths.is_empty()).then(|| {
            let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
            Check::failed("permissions", format!("Others can {can} {}.", names.join(", ")), remedy)
        })
    };
    let read =
        others(&open, "get at", "Take it away from them: chmod go= FILE; if they are not yours: chown");
    read.into_iter().chain(others(&written, "change", "Take it away from them: chmod go-w FILE")).collect()
}

/// Whether it is there and others have one of these rights to it, or it belongs to somebody else.
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
            "No other process reads the daemon's memory, and it leaves no core file.",
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

fn configuration(shared: &Shared) -> Vec<Check> {
    let mut checks = Vec::new();
    {
        let problems = shared.problems.lock().unwrap_or_else(PoisonError::into_inner);
        let wrong = problems.aws_config.iter().chain(&problems.imds).chain(&problems.settings);
        checks.extend(wrong.map(|problem| {
            Check::failed("configuration", sentence(problem), "Mend it; ssod takes it up at once")
        }));
        let restart =
            format!("End the daemon (kill {}); the next ssod command starts it", std::process::id());
        checks.extend(
            problems
                .restart
                .iter()
                .map(|changed| Check::warning("configuration", sentence(changed), &restart)),
        );
    }
    let profiles: Vec<_> =
        shared.broker.profile_names().into_iter().filter_map(|name| shared.broker.profile(&name)).collect();
    let file = shared.paths.aws_config.display();
    if profiles.is_empty() && checks.is_empty() {
        let message = format!("{file} has no profile for ssod.");
        checks.push(Check::warning("configuration", message, "Add one: ssod configure"));
    } else if checks.is_empty() {
        let names: Vec<_> = profiles.iter().map(|profile| profile.name.as_str()).take(5).collect();
        let more = if profiles.len() > names.len() { ", …" } else { "" };
        checks.push(Check::ok("configuration", format!("{file} has {}{more} for ssod.", names.join(", "))));
    }
    if let Some(problem) = super::status::misplaced_key(shared) {
        checks.push(Check::warning("key store", sentence(&problem), "Until then the key counts where it is"));
    }
    checks.extend(shared.keeper.vault().problems().into_iter().map(|problem| {
        Check::warning("vault", problem, "Remove the file that was kept, once you do not miss it")
    }));
    for profile in profiles.iter().filter(|profile| profile.aws_form) {
        let name = &profile.name;
        checks.push(Check::warning(
            "profile",
            format!("Profile \"{name}\" is in AWS's own form, so --profile {name} goes past ssod."),
            format!("Turn it: ssod configure --convert {name}"),
        ));
    }
    checks
}
