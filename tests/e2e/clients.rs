//! The real AWS clients that judge ssod.

use std::path::PathBuf;
use std::process::Command;

use ssod_testkit::{Finished, Moto, Sandbox, interop, run};

/// Variables to set, or to unset.
pub(crate) type Env = Vec<(String, Option<String>)>;

/// A client that finds its credentials by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// AWS CLI v1, from PyPI.
    CliV1,
    /// AWS CLI v2, Debian's.
    CliV2,
    /// boto3, from PyPI.
    Boto3,
}

impl Client {
    pub(crate) const ALL: [Self; 3] = [Self::CliV1, Self::CliV2, Self::Boto3];

    /// Asks moto who the caller is.
    pub(crate) fn whoami(self, sandbox: &Sandbox, moto: &Moto, env: &Env) -> Finished {
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
    pub(crate) fn describe(self, sandbox: &Sandbox, moto: &Moto, env: &Env) -> Finished {
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
    pub(crate) fn stop(self, sandbox: &Sandbox, moto: &Moto, env: &Env) -> Finished {
        match self {
            Self::Boto3 => self.run(sandbox, moto, env, &["stop", &moto.instance]),
            _ => self.run(sandbox, moto, env, &["ec2", "stop-instances", "--instance-ids", &moto.instance]),
        }
    }

    /// Runs it with the sandbox's environment and these variables.
    fn run(self, sandbox: &Sandbox, moto: &Moto, env: &Env, arguments: &[&str]) -> Finished {
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
                command.arg(program("ec2.py")).arg(endpoint);
                command
            }
        }
    }

    fn program(self) -> PathBuf {
        match self {
            Self::CliV1 => interop().join("bin/aws"),
            Self::CliV2 => "/usr/bin/aws".into(),
            Self::Boto3 => interop().join("bin/python"),
        }
    }
}

/// A file of `tests/interop`.
pub(crate) fn program(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("interop").join(name)
}

/// moto, filled.
pub(crate) fn moto() -> Moto {
    Moto::start(&program("moto_setup.py"))
}

/// `--profile NAME`, for every client alike.
pub(crate) fn by_profile(name: &str) -> Env {
    vec![("AWS_PROFILE".to_owned(), Some(name.to_owned()))]
}
