//! The commands that run the clients, in the sandbox's environment, and those that print their versions.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;
use ssod_testkit::Sandbox;

use super::call::{BUCKET, Call};
use super::tools::{aws_cli_v2, boto3_environment, client_environment, java_class_path, source};
use crate::workspace::target;

pub(super) fn python_of_boto3(sandbox: &Sandbox, name: &str) -> Command {
    script(sandbox, &boto3_environment(), name)
}

pub(super) fn python(sandbox: &Sandbox, name: &str) -> Command {
    script(sandbox, &client_environment(), name)
}

fn script(sandbox: &Sandbox, environment: &Path, name: &str) -> Command {
    let mut command = sandbox.command(environment.join("bin/python"));
    // Without its cache of compiled modules, which would be in the repository.
    command.arg("-B").arg(source("python").join(name));
    command
}

pub(super) fn interpreted(sandbox: &Sandbox, interpreter: &str, file: &str) -> Command {
    let mut command = sandbox.command(interpreter);
    command.arg(source(file));
    command
}

pub(super) fn javascript(sandbox: &Sandbox) -> Command {
    let mut command = interpreted(sandbox, "/usr/bin/node", "javascript/client.cjs");
    command.env("NODE_PATH", target().join("interop-javascript/node_modules"));
    command
}

pub(super) fn java(sandbox: &Sandbox) -> Command {
    let mut command = sandbox.command("/usr/bin/java");
    command.args(["-cp", &java_class_path(), "Client"]);
    command
}

pub(super) fn aws(sandbox: &Sandbox, program: &Path, url: &str, call: &Call) -> Command {
    let mut command = sandbox.command(program);
    command.args(["--endpoint-url", url]);
    match call {
        Call::WhoAmI => command.args(["sts", "get-caller-identity", "--query", "Arn", "--output", "text"]),
        Call::Stop(instance) => command.args(["ec2", "stop-instances", "--instance-ids", instance]),
        Call::Read(_) => command.args(["s3", "cp", &object(call, "s3://"), "-"]),
    };
    command
}

pub(super) fn rclone(sandbox: &Sandbox, program: &Path, url: &str, call: &Call) -> Command {
    let mut command = sandbox.command(program);
    let remote = format!(":s3,provider=Other,env_auth=true,region=us-east-1,endpoint='{url}':");
    command.args(["cat", "--config", "/dev/null", "--retries", "1", "--low-level-retries", "1"]);
    command.arg(object(call, &remote));
    command
}

pub(super) fn s5cmd(sandbox: &Sandbox, url: &str, call: &Call) -> Command {
    let mut command = sandbox.command(client_environment().join("bin/s5cmd"));
    command.args(["--endpoint-url", url, "cat", &object(call, "s3://")]);
    command
}

/// Reads the file `config` of a repository that does not exist. Its error tells whether the caller may read it, so the
/// script turns the error about a missing file into the answer.
pub(super) fn restic(sandbox: &Sandbox, url: &str, call: &Call) -> Command {
    let mut command = sandbox.command("/bin/sh");
    let script = "error=$(restic -r \"$1\" --no-cache cat config 2>&1); case $error in \
                  *'key does not exist'*) basename \"$1\";; *) echo \"$error\" >&2; exit 1;; esac";
    command.args(["-c", script, "sh", &object(call, &format!("s3:{url}/"))]).env("RESTIC_PASSWORD", "none");
    command
}

/// Returns the object that a client of S3 reads, after the prefix.
fn object(call: &Call, prefix: &str) -> String {
    match call {
        Call::Read(role) => format!("{prefix}{BUCKET}/{role}"),
        Call::WhoAmI | Call::Stop(_) => unreachable!("a client of S3 only reads"),
    }
}

pub(super) fn aws_cli_v2_version() -> Result<String> {
    let text = output(Command::new(aws_cli_v2()).arg("--version"))?;
    let version = text.strip_prefix("aws-cli/").and_then(|rest| rest.split(' ').next());
    Ok(version.context("the AWS CLI does not print its version")?.to_owned())
}

pub(super) fn java_version() -> Result<String> {
    output(Command::new("/usr/bin/java").args(["-cp", &java_class_path(), "Client", "--version"]))
}

/// Returns the version of a package that the manifest pins.
pub(super) fn npm_version(package: &str) -> Result<String> {
    let manifest: Value = serde_json::from_str(&std::fs::read_to_string(source("javascript/package.json"))?)?;
    Ok(manifest["dependencies"][package].as_str().context("the manifest has no such package")?.to_owned())
}

/// Returns the version of a crate that the lock file pins.
pub(super) fn cargo_version(name: &str) -> Result<String> {
    let lock = std::fs::read_to_string(source("rust/Cargo.lock"))?;
    let version = lock
        .split_once(&format!("name = \"{name}\"\nversion = \""))
        .and_then(|(_, rest)| rest.split('"').next());
    Ok(version.context("the lock file has no such crate")?.to_owned())
}

fn output(command: &mut Command) -> Result<String> {
    Ok(String::from_utf8(command.output()?.stdout)?.trim().to_owned())
}
