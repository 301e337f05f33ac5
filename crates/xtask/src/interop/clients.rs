//! What describes a client of the matrix, and starts it.

use std::process::Command;

use anyhow::Result;
use ssod_testkit::Sandbox;

use super::call::{Call, ClientProcess, RunningClient};
use super::tools::Tool;
use super::ways::{EnvChanges, Way};

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
    /// How it is run.
    pub(super) program: Program,
    /// The ways that it does not support, each with the reason.
    limits: &'static [(Way, &'static str)],
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
#[derive(Clone, Copy)]
pub(super) enum Program {
    /// A program of `tests/interop`, which gets the endpoint as its last argument and answers calls.
    Process(fn(&Sandbox) -> Command),
    /// A command that makes one call at that endpoint.
    EachCall(fn(&Sandbox, &str, &Call) -> Command),
}

impl Client {
    /// Returns a client that supports every way.
    pub(super) const fn new(
        name: &'static str,
        version: fn() -> Result<String>,
        tool: Tool,
        service: Service,
        program: Program,
    ) -> Self {
        Self { name, version, tool, service, program, limits: &[], in_test: true }
    }

    /// Sets the ways that it does not support.
    pub(super) const fn limited(self, limits: &'static [(Way, &'static str)]) -> Self {
        Self { limits, ..self }
    }

    /// Leaves it out of `cargo xtask test`, because its installation takes long.
    pub(super) const fn not_in_test(self) -> Self {
        Self { in_test: false, ..self }
    }

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
