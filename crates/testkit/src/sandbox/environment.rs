//! The environment of the programs in a sandbox.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::processes::{CommandOutput, run};

/// The environment of every program in a sandbox except the fake.
#[derive(Clone, Debug)]
pub(super) struct ProgramEnvironment {
    pub(super) home: PathBuf,
    /// The folder with `ssod` and `ssod-daemon`.
    pub(super) programs: PathBuf,
    pub(super) fake_url: String,
    /// The user who runs the programs; `None` is the user of the test.
    pub(super) uid: Option<u32>,
}

impl ProgramEnvironment {
    pub(super) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        if let Some(uid) = self.uid {
            command.uid(uid).gid(uid);
        }
        command
            .env_clear()
            .env("HOME", &self.home)
            .env("XDG_RUNTIME_DIR", self.home.join("run"))
            .env("PATH", format!("{}:/usr/bin:/bin", self.programs.display()))
            .env("AWS_ENDPOINT_URL_SSO", &self.fake_url)
            .env("AWS_ENDPOINT_URL_SSO_OIDC", &self.fake_url)
            // A pager would let the AWS CLI wait for input.
            .env("AWS_PAGER", "")
            .current_dir(&self.home);
        command
    }

    pub(super) fn ssod_command(&self) -> Command {
        self.command(self.programs.join("ssod"))
    }

    pub(super) fn ssod(&self, arguments: &[&str]) -> CommandOutput {
        run(self.ssod_command().args(arguments))
    }
}
