//! `ssod credential-process`: the hot path of every AWS CLI call with `--profile`.

use ssod_control::{ClientError, ControlClient, Credentials, CredentialsRequest};

use super::Context;
use crate::cli::CredentialProcess;
use crate::failure::Outcome;
use crate::{daemon, terminal};

pub(crate) fn run(context: &Context, command: &CredentialProcess) -> Outcome<()> {
    let request = CredentialsRequest { profile: command.name.clone() };
    let ask = |client: &ControlClient| client.post::<Credentials>("/v1/credentials", &request);
    // The daemon runs nearly always, so it is asked at once, not whether it is there.
    let credentials = match ask(&ControlClient::new(&context.paths.socket)) {
        Err(ClientError::NotReachable { .. }) => ask(&daemon::connect_quietly(&context.paths)?)?,
        outcome => outcome?,
    };
    let text = serde_json::to_string(&credentials).map_err(std::io::Error::from)?;
    Ok(terminal::print(&format!("{text}\n"))?)
}
