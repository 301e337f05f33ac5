//! moto as the AWS that checks signatures and policies.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::processes::{Running, interop, run};
use crate::sandbox::{FakeOptions, free_port};

/// A moto server with an instance, two roles and enforcement on.
pub struct Moto {
    _server: Running,
    /// Its base URL.
    pub url: String,
    /// The instance.
    pub instance: String,
    keys: (String, String),
}

impl Moto {
    /// Starts it and fills it.
    pub fn start(setup: &std::path::Path) -> Self {
        let python = interop();
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        let mut command = Command::new(python.join("bin/moto_server"));
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]).env_clear().env("PATH", "/usr/bin:/bin");
        let server = Running::start(command.stderr(Stdio::null()));
        let deadline = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "moto_server does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
        let mut filling = Command::new(python.join("bin/python"));
        filling.arg(setup).arg(&url).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", "/nonexistent");
        let made: Value = serde_json::from_str(&run(&mut filling).succeeded()).unwrap();
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Self {
            _server: server,
            url,
            instance: text("instance_id"),
            keys: (text("access_key_id"), text("secret_access_key")),
        }
    }

    /// A fake Identity Center whose role credentials are minted here.
    pub fn fake(&self) -> FakeOptions {
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        FakeOptions {
            arguments: vec!["--sts-endpoint".to_owned(), self.url.clone()],
            variables: vec![
                variable("AWS_ACCESS_KEY_ID", &self.keys.0),
                variable("AWS_SECRET_ACCESS_KEY", &self.keys.1),
            ],
        }
    }
}
