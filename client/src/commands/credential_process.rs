//! `ssod credential-process`: the hot path of every AWS CLI call with `--profile`.

use ssod_control::{Credentials, CredentialsRequest};

use super::Context;
use crate::cli::CredentialProcess;
use crate::failure::Outcome;
use crate::{daemon, terminal};

pub(crate) fn run(context: &Context, command: &CredentialProcess) -> Outcome<()> {
    let client = daemon::connect_quietly(&context.paths)?;
    let credentials: Credentials =
        client.post("/v1/credentials", &CredentialsRequest { profile: command.name.clone() })?;
    let text = serde_json::to_string(&credentials).map_err(std::io::Error::from)?;
    Ok(terminal::print(&format!("{text}\n"))?)
}
