//! The real AWS clients that the tests run.

use std::path::PathBuf;
use std::process::Command;

use ssod_testkit::{CommandOutput, Moto, Sandbox, python_environment, run};

/// Variables to set; `None` means to unset.
pub(crate) type Env = Vec<(String, Option<String>)>;

/// A client that finds its credentials on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// The AWS CLI v1, from PyPI.
    CliV1,
    /// The AWS CLI v2, from Debian.
    CliV2,
    /// boto3, from PyPI.
    Boto3,
}

impl Client {
    pub(crate) const ALL: [Self; 3] = [Self::CliV1, Self::CliV2, Self::Boto3];

    /// Asks moto for the caller's identity.
    pub(crate) fn whoami(self, sandbox: &Sandbox, moto: &Moto, env: &Env) -> CommandOutput {
        match self {
            Self::Boto3 => self.run(sandbox, moto, env, &["whoami"]),
            _ => self.run(
                sandbox,
                moto,
                env,
                &["sts", "get-caller-identity", "--query", "Arn", "--output", "text"],
            ),
        }
    }

    /// Lists the instances.
    pub(crate) fn describe(self, sandbox: &Sandbox, moto: &Moto, env: &Env) -> CommandOutput {
        let query = "Reservations[].Instances[].InstanceId";
        match self {
            Self::Boto3 => self.run(sandbox, moto, env, &["describe"]),
            _ => self.run(
                sandbox,
                moto,
                env,
                &["ec2", "describe-instances", "--query", query, "--output", "text"],
            ),
        }
    }

    /// Stops moto's instance.
    pub(crate) fn stop(self, sandbox: &Sandbox, moto: &Moto, env: &Env) -> CommandOutput {
        match self {
            Self::Boto3 => self.run(sandbox, moto, env, &["stop", &moto.instance]),
            _ => self.run(sandbox, moto, env, &["ec2", "stop-instances", "--instance-ids", &moto.instance]),
        }
    }

    /// Runs it in the sandbox's environment with these variables.
    fn run(self, sandbox: &Sandbox, moto: &Moto, env: &Env, arguments: &[&str]) -> CommandOutput {
        let mut command = self.command(sandbox, &moto.url);
        command.args(arguments).env("AWS_DEFAULT_REGION", "us-east-1");
        for (name, value) in env {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        run(&mut command)
    }

    fn command(self, sandbox: &Sandbox, endpoint: &str) -> Command {
        match self {
            Self::CliV1 | Self::CliV2 => {
                let mut command = sandbox.command(self.program());
                command.args(["--endpoint-url", endpoint]);
                command
            }
            Self::Boto3 => {
                let mut command = sandbox.command(self.program());
                command.arg(interop_file("ec2.py")).arg(endpoint);
                command
            }
        }
    }

    fn program(self) -> PathBuf {
        match self {
            Self::CliV1 => python_environment().join("bin/aws"),
            Self::CliV2 => "/usr/bin/aws".into(),
            Self::Boto3 => python_environment().join("bin/python"),
        }
    }
}

/// Returns the path of a file in `tests/interop`.
pub(crate) fn interop_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("interop").join(name)
}

/// Starts moto with an instance and two roles.
pub(crate) fn start_moto() -> Moto {
    Moto::start(&interop_file("moto_setup.py"))
}

/// Returns the variable that selects a profile in every client.
pub(crate) fn with_profile(name: &str) -> Env {
    vec![("AWS_PROFILE".to_owned(), Some(name.to_owned()))]
}
