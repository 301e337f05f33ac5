//! What the clients need: installed below cargo's target folder, or as Debian packages.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::prerequisites::{
    Stamp, build_rust_sdk_client, install_client_packages, install_debian_packages, install_javascript_sdk,
    make_python_environment,
};
use crate::workspace::{root, run, target};

/// Something that clients need. Its order is the order of the installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tool {
    /// The Debian packages of `cargo xtask test`.
    Debian,
    /// The Python environment of `cargo xtask test`, with boto3, the AWS CLI v1 and moto.
    Boto3,
    /// The Python environment with all other clients from PyPI.
    Python,
    /// The AWS CLI v2, from a package of PyPI that contains it.
    AwsCliV2,
    /// The SDK for JavaScript.
    JavaScript,
    /// The client that uses the SDK for Rust.
    Rust,
    /// The Debian packages that only the clients here need.
    ClientPackages,
    /// The clients that use the SDKs for Go.
    Go,
    /// The client that uses the SDK for Java v2.
    Java,
}

impl Tool {
    /// Installs or builds it, unless that is done.
    pub(super) fn install(self) -> Result<()> {
        match self {
            Self::Debian => install_debian_packages(rustix::process::geteuid().is_root()),
            Self::Boto3 => make_python_environment().map(drop),
            Self::Python => make_client_environment(),
            Self::AwsCliV2 => unpack_aws_cli(),
            Self::JavaScript => install_javascript_sdk().map(drop),
            Self::Rust => build_rust_sdk_client().map(drop),
            Self::ClientPackages => install_client_packages(rustix::process::geteuid().is_root()),
            Self::Go => build_go_clients(),
            Self::Java => build_java_client(),
        }
    }

    /// Returns what must be installed before it.
    pub(super) fn requires(self) -> Option<Self> {
        matches!(self, Self::Go | Self::Java).then_some(Self::ClientPackages)
    }

    /// Returns whether the machine's Debian determines the version of the clients.
    pub(super) fn is_debian(self) -> bool {
        matches!(self, Self::Debian | Self::ClientPackages | Self::Go)
    }
}

/// Returns the path of a file in `tests/interop`.
pub(super) fn source(name: &str) -> PathBuf {
    root().join("tests/interop").join(name)
}

/// Returns the folder of the Python environment with boto3.
pub(super) fn boto3_environment() -> PathBuf {
    target().join("interop")
}

/// Returns the folder of the Python environment with the other clients.
pub(super) fn client_environment() -> PathBuf {
    target().join("interop-python")
}

/// Returns the path of the AWS CLI v2 from PyPI.
pub(super) fn aws_cli_v2() -> PathBuf {
    target().join("interop-aws-cli/aws/dist/aws")
}

fn make_client_environment() -> Result<()> {
    let folder = client_environment();
    let requirements = source("python/requirements.txt");
    let stamp = Stamp::new(folder.join("installed.txt"), std::fs::read_to_string(&requirements)?);
    if stamp.is_current() {
        return Ok(());
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    run(Command::new(folder.join("bin/pip"))
        .args(["install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(&requirements))?;
    stamp.save()
}

/// The package is a layer for Lambda functions: a wheel with an npm archive, with a zip, with AWS's own build.
fn unpack_aws_cli() -> Result<()> {
    let folder = target().join("interop-aws-cli");
    let requirement = std::fs::read_to_string(source("aws-cli-v2.txt"))?;
    let stamp = Stamp::new(folder.join("installed.txt"), requirement);
    if stamp.is_current() {
        return Ok(());
    }
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    download(&folder, "aws-cli-v2.txt")?;
    let script = "cd \"$1\" && python3 -m zipfile -e *.whl wheel && tar -xzf wheel/aws_cdk/asset_awscli_v2/_jsii/*.tgz \
                  && python3 -m zipfile -e package/lib/layer.zip layer && mv layer/awscli/v2/[0-9]* aws \
                  && chmod +x aws/dist/aws && rm -r *.whl wheel package layer";
    run(Command::new("sh").args(["-ec", script, "sh"]).arg(&folder))?;
    ensure!(aws_cli_v2().is_file(), "the package has no AWS CLI");
    stamp.save()
}

/// Returns the client for a version of the SDK for Go, `v1` or `v2`.
pub(super) fn go_client(version: &str) -> PathBuf {
    target().join("interop-go").join(version)
}

/// Builds the clients with the SDKs that are Debian packages.
fn build_go_clients() -> Result<()> {
    for version in ["v1", "v2"] {
        let mut build = Command::new("/usr/bin/go");
        build.arg("build").arg("-o").arg(go_client(version)).arg(source("go").join(format!("{version}.go")));
        build.env("GOPATH", "/usr/share/gocode").env("GO111MODULE", "off");
        run(build.env("GOCACHE", target().join("interop-go/cache")))?;
    }
    Ok(())
}

/// Returns the class path of the client that uses the SDK for Java.
pub(super) fn java_class_path() -> String {
    let folder = target().join("interop-java");
    let libraries = "/usr/share/java/slf4j-api.jar:/usr/share/java/slf4j-nop.jar";
    format!("{}:{}:{libraries}", folder.display(), folder.join("sdk.jar").display())
}

/// No registry has the SDK for Java, but a package of PyPI has a jar that contains it.
fn build_java_client() -> Result<()> {
    let folder = target().join("interop-java");
    let inputs = [source("java.txt"), source("java/Client.java")].map(std::fs::read_to_string);
    let stamp = Stamp::new(folder.join("installed.txt"), inputs.into_iter().collect::<Result<String, _>>()?);
    if stamp.is_current() {
        return Ok(());
    }
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    download(&folder, "java.txt")?;
    let script = "cd \"$1\" && python3 -m zipfile -e *.whl wheel && mv wheel/feature_store_pyspark/jars/*-3.1.jar sdk.jar \
                  && rm -r *.whl wheel";
    run(Command::new("sh").args(["-ec", script, "sh"]).arg(&folder))?;
    run(Command::new("/usr/bin/javac")
        .args(["-cp", &java_class_path(), "-d"])
        .arg(&folder)
        .arg(source("java/Client.java")))?;
    stamp.save()
}

/// Downloads the packages that a file in `tests/interop` names, without what they depend on.
fn download(folder: &std::path::Path, requirements: &str) -> Result<()> {
    run(Command::new("python3")
        .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"])
        .args(["--only-binary", ":all:", "-r"])
        .arg(source(requirements))
        .arg("-d")
        .arg(folder))
}

/// Returns the version that a requirements file pins.
pub(super) fn pinned(requirements: &str, package: &str) -> Result<String> {
    let text = std::fs::read_to_string(source(requirements))?;
    let pinned = text.lines().find_map(|line| line.strip_prefix(package)?.strip_prefix("=="));
    Ok(pinned.with_context(|| format!("{requirements} does not pin {package}"))?.to_owned())
}

/// Returns the upstream version of an installed Debian package.
pub(super) fn debian_version(package: &str) -> Result<String> {
    let output = Command::new("dpkg-query").args(["-W", "-f", "${Version}", package]).output()?;
    ensure!(output.status.success(), "{package} is not installed");
    let version = String::from_utf8(output.stdout)?;
    let upstream = version.split_once(':').map_or(version.as_str(), |(_, rest)| rest);
    Ok(upstream.split(['-', '+']).next().unwrap_or(upstream).to_owned())
}
