//! `ssod credential-process`, which AWS tools run for each profile that `ssod configure` has written.

use clap::Args;
use clap_complete::ArgValueCandidates;
use ssod_control::{ClientError, ControlClient, Credentials, CredentialsRequest};

use crate::context::CommandContext;
use crate::error::CommandResult;
use crate::{completers, connection, terminal};

/// Print a profile's credentials for `credential_process` in the AWS config file.
///
/// AWS tools run this command, because `ssod configure` writes it into the AWS config file. You do not need to run it
/// yourself.
#[derive(Args)]
pub(crate) struct CredentialProcessArgs {
    /// The profile.
    #[arg(value_name = "PROFILE", add = ArgValueCandidates::new(completers::profile_names))]
    name: String,
}

pub(crate) fn run(context: &CommandContext, args: &CredentialProcessArgs) -> CommandResult<()> {
    let request = CredentialsRequest { profile: args.name.clone() };
    let fetch = |client: &ControlClient| client.post::<Credentials>("/v1/credentials", &request);
    // The daemon nearly always runs, so the request is sent without checking that first.
    let credentials = match fetch(&ControlClient::new(&context.paths.socket)) {
        Err(ClientError::NotReachable { .. }) => fetch(&connection::connect_quietly(&context.paths)?)?,
        result => result?,
    };
    Ok(terminal::print_json(serde_json::to_string(&credentials))?)
}
