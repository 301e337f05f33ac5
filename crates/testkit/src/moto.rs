//! moto, which simulates an AWS that checks signatures and policies.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::ports::free_port;
use crate::processes::{ChildProcess, python_environment, run};
use crate::sandbox::FakeOptions;
use crate::wait::wait_until_within;

/// Python takes some seconds to import moto, and longer on a loaded machine.
const START_LIMIT: Duration = Duration::from_mins(1);

/// A moto server with an instance and two roles, which enforces the policies of the roles.
pub struct Moto {
    _server: ChildProcess,
    /// Its base URL.
    pub url: String,
    /// The id of the instance.
    pub instance: String,
    access_key_id: String,
    secret_access_key: String,
}

impl Moto {
    /// Starts the server, and runs the script that creates the instance, the roles and the user.
    pub fn start(setup: &Path) -> Self {
        Self::start_with(&python_environment(), setup)
    }

    /// Does the same with moto from this Python environment.
    pub fn start_with(python: &Path, setup: &Path) -> Self {
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        let mut command = Command::new(python.join("bin/moto_server"));
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).env_clear().env("PATH", "/usr/bin:/bin");
        let server = ChildProcess::start(command.stderr(Stdio::null()));
        wait_until_within(START_LIMIT, "moto_server listens", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        let mut setup_command = Command::new(python.join("bin/python"));
        setup_command
            .arg(setup)
            .arg(&url)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", "/nonexistent");
        let created: Value = serde_json::from_str(&run(&mut setup_command).succeeded()).unwrap();
        let text = |name: &str| created[name].as_str().unwrap().to_owned();
        Self {
            _server: server,
            url,
            instance: text("instance_id"),
            access_key_id: text("access_key_id"),
            secret_access_key: text("secret_access_key"),
        }
    }

    /// Returns the options of a fake Identity Center whose role credentials come from this server.
    pub fn fake_options(&self) -> FakeOptions {
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        FakeOptions {
            variables: vec![
                variable("AWS_ACCESS_KEY_ID", &self.access_key_id),
                variable("AWS_SECRET_ACCESS_KEY", &self.secret_access_key),
            ],
            ..FakeOptions::arguments(&["--sts-endpoint", &self.url])
        }
    }
}
