//! Sandboxes with many profiles: the fake's world, and a daemon that keeps all profiles fresh.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use ssod_testkit::{FakeOptions, Sandbox};

/// The number of users, each of whom has a session and an equal share of the profiles.
const SESSIONS: usize = 5;

/// Creates a sandbox with so many profiles and a configured daemon, which does not run yet.
pub(super) fn sandbox_with_profiles(profiles: usize, fake: &[&str], network: &str) -> Result<Sandbox> {
    let folder = tempfile::tempdir()?;
    let world = write_world(folder.path(), profiles)?.to_string_lossy().into_owned();
    let sandbox = Sandbox::with_fake(&FakeOptions::arguments(&[&["--world", &world], fake].concat()));
    sandbox.add_settings(&format!(
        "[network]\n{network}\n[refresh]\nkeep_fresh = \"all\"\n[log]\nformat = \"text\"\n"
    ));
    sandbox.write_aws_config(&sandbox.fake().aws_config());
    Ok(sandbox)
}

/// Signs all users of the sandbox in.
pub(super) fn sign_in_all(sandbox: &Sandbox) -> Result<()> {
    for session in 0..SESSIONS {
        let user = format!("user{session}");
        let login = sandbox.login_with(&format!("session{session}"), &["--device-code"], |event| {
            sandbox.fake().approve(event, &user);
        });
        ensure!(login.status == 0, "cannot sign in: {}", login.stderr);
    }
    Ok(())
}

/// Writes a file with five users, each of whom has a fifth of the roles.
fn write_world(folder: &Path, profiles: usize) -> Result<PathBuf> {
    let mut text = String::from("[[account]]\nid = \"123456789012\"\nname = \"work\"\n\n");
    for session in 0..SESSIONS {
        write!(text, "[[user]]\nname = \"user{session}\"\n\n[[session]]\nname = \"session{session}\"\n\n")?;
    }
    for number in 0..profiles {
        let session = number % SESSIONS;
        write!(
            text,
            "[[permission_set]]\nname = \"Role{number}\"\n\n[[assignment]]\nuser = \"user{session}\"\n\
             account = \"123456789012\"\nrole = \"Role{number}\"\n\n[[profile]]\nname = \"profile{number}\"\n\
             session = \"session{session}\"\naccount = \"123456789012\"\nrole = \"Role{number}\"\n\n"
        )?;
    }
    let path = folder.join("world.toml");
    #[expect(clippy::disallowed_methods, reason = "a temporary file that is read once")]
    fs::write(&path, text)?;
    Ok(path)
}
