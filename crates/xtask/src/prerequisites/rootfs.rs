//! The root file system of the machine that the tests boot.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::stamp::Stamp;
use crate::workspace::{run, target};

/// The packages of the machine in addition to a minimal Debian.
const PACKAGES: &str =
    "systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,procps,iproute2,curl,python3,ca-certificates";

/// Creates the root file system and returns its folder.
pub(crate) fn make_rootfs() -> Result<PathBuf> {
    let folder = target().join("machine");
    let stamp = Stamp::new(target().join("machine.txt"), PACKAGES);
    if stamp.is_current() {
        return Ok(folder);
    }
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    let include = format!("--include={PACKAGES}");
    run(Command::new("mmdebstrap")
        .args(["--quiet", "--variant=minbase", &include, "bookworm"])
        .arg(&folder))?;
    stamp.save()?;
    Ok(folder)
}
