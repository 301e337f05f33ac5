//! The Python environment with moto, boto3 and the AWS CLI v1.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::stamp::Stamp;
use crate::workspace::{root, run, target};

/// Creates the environment and returns its folder.
pub(crate) fn make_python_environment() -> Result<PathBuf> {
    let folder = target().join("interop");
    let requirements = root().join("tests/interop/requirements.txt");
    let stamp = Stamp::new(folder.join("installed.txt"), std::fs::read_to_string(&requirements)?);
    if stamp.is_current() {
        return Ok(folder);
    }
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    run(Command::new(folder.join("bin/pip"))
        .args(["install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(&requirements))?;
    stamp.save()?;
    Ok(folder)
}
