//! The real AWS clients that the tests run.

use std::path::PathBuf;
use std::process::Command;

use ssod_testkit::{CommandOutput, Moto, Sandbox, python_environment, run};

/// Changes of environment variables; `None` unsets a variable.
pub(crate) type EnvChanges = Vec<(String, Option<String>)>;

/// An AWS client, which finds its credentials on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AwsClient {
    /// The AWS CLI v1, from PyPI.
    CliV1,
    /// The AWS CLI v2, from Debian.
    CliV2,
    /// boto3, from PyPI.
    Boto3,
}

impl AwsClient {
    pub(crate) const ALL: [Self; 3] = [Self::CliV1, Self::CliV2, Self::Boto3];

    /// Requests the caller's identity from moto.
    pub(crate) fn whoami(self, sandbox: &Sandbox, moto: &Moto, env: &EnvChanges) -> CommandOutput {
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
    pub(crate) fn describe(self, sandbox: &Sandbox, moto: &Moto, env: &EnvChanges) -> CommandOutput {
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
    pub(crate) fn stop(self, sandbox: &Sandbox, moto: &Moto, env: &EnvChanges) -> CommandOutput {
        match self {
            Self::Boto3 => self.run(sandbox, moto, env, &["stop", &moto.instance]),
            _ => self.run(sandbox, moto, env, &["ec2", "stop-instances", "--instance-ids", &moto.instance]),
        }
    }

    /// Runs the client in the sandbox's environment with these changes.
    fn run(self, sandbox: &Sandbox, moto: &Moto, env: &EnvChanges, arguments: &[&str]) -> CommandOutput {
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
pub(crate) fn with_profile(name: &str) -> EnvChanges {
    vec![("AWS_PROFILE".to_owned(), Some(name.to_owned()))]
}

/// Removes the choice of a profile, which clients prefer to the endpoint, so that they use the endpoint.
pub(crate) fn without_profile(mut env: EnvChanges) -> EnvChanges {
    env.retain(|(name, _)| name != "AWS_PROFILE");
    env.push(("AWS_PROFILE".to_owned(), None));
    env
}
