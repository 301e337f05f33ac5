//! The servers that are measured: ssod in a sandbox, and bare hyper with the same answers.

use std::fs::File;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ssod_testkit::{ChildProcess, Sandbox, TestUser};
use tempfile::TempDir;

use super::load::Request;

/// A process that answers on a port of loopback.
#[derive(Clone, Copy, Debug)]
pub(super) struct Server {
    pub(super) pid: u32,
    pub(super) address: SocketAddr,
}

/// The sandbox's daemon and its profile, whose user is signed in.
pub(super) const USER: TestUser = TestUser::ADMIN;

/// Starts a daemon with the log level of an installation, and signs its user in. Its audit log is on, as always.
pub(super) fn signed_in_sandbox(sandbox: &mut Sandbox) {
    sandbox.configure(USER);
    start_as_installed(sandbox);
    sandbox.login(USER).succeeded();
}

/// Starts the sandbox's daemon with the log level of an installation.
pub(super) fn start_as_installed(sandbox: &mut Sandbox) {
    sandbox.start_daemon_with(&[("SSOD_LOG", "info")]);
}

/// Returns the sandbox's daemon.
pub(super) fn daemon(sandbox: &Sandbox) -> Server {
    Server { pid: sandbox.daemon().pid(), address: loopback(sandbox.daemon().port()) }
}

/// Returns the request for the container credentials of the sandbox's profile.
pub(super) fn container_request(sandbox: &Sandbox) -> Request {
    let token = sandbox.daemon().token(USER.profile);
    Request::get(format!("/credentials/{}", USER.profile), &[("Authorization", &token)])
}

/// Bare hyper, which answers these requests with the bytes that another server has answered. It ends on drop.
pub(super) struct StaticServer {
    process: ChildProcess,
    address: SocketAddr,
    _folder: TempDir,
}

impl StaticServer {
    /// Records the other server's answers, and starts the process.
    pub(super) fn recording(server: SocketAddr, requests: &[Request]) -> Result<Self> {
        Self::delayed(server, requests, Duration::ZERO)
    }

    /// Does the same for a server that answers after some time.
    pub(super) fn delayed(server: SocketAddr, requests: &[Request], delay: Duration) -> Result<Self> {
        let answers = requests.iter().map(|request| request.record(server)).collect::<Result<Vec<_>>>()?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("answers.json");
        serde_json::to_writer(File::create(&file)?, &answers)?;
        let mut command = Command::new(std::env::current_exe().context("the own program is not known")?);
        let process =
            ChildProcess::start(command.arg("serve-static").arg(&file).arg(delay.as_millis().to_string()));
        let port = process.next_line().parse().context("the static server did not print its port")?;
        let address = loopback(port);
        for (request, answer) in requests.iter().zip(&answers) {
            let own = request.record(address)?;
            ensure!(
                own.headers.len() == answer.headers.len() && own.body == answer.body,
                "the answers differ"
            );
        }
        Ok(Self { process, address, _folder: folder })
    }

    pub(super) fn server(&self) -> Server {
        Server { pid: self.process.pid(), address: self.address }
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}
