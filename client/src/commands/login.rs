//! `ssod login`.

use clap::Args;
use clap_complete::ArgValueCandidates;
use ssod_control::{ControlClient, LoginFlow, LoginRequest, Status};

use crate::context::Context;
use crate::error::{CommandError, CommandResult};
use crate::sign_in::{Browser, Output};
use crate::{browser, completers, connection, key_store, prompt, sign_in};

/// Sign in to IAM Identity Center.
///
/// Opens the browser if this machine has one. Otherwise it shows a code that you confirm on another machine.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  ssod login adminUser\n  ssod login --device-code --qr            confirm the code on your phone\n  ssod login --no-browser                  print the address, open no browser"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct LoginArgs {
    /// A profile or an sso-session. By default the profile in AWS_PROFILE, else the only session; if there are several, you
    /// choose one.
    #[arg(add = ArgValueCandidates::new(completers::profile_and_session_names))]
    name: Option<String>,
    /// Show a code that you confirm on any machine, instead of using this machine's browser.
    #[arg(long)]
    device_code: bool,
    /// Print the address without opening a browser.
    #[arg(long)]
    no_browser: bool,
    /// Also show the address as a QR code.
    #[arg(long)]
    qr: bool,
    /// Print one JSON event per line.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: &LoginArgs) -> CommandResult<()> {
    let client = connection::connect(&context.paths)?;
    key_store::ensure_open(context, &client, context.interactive && !args.json)?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => choose_name(context.interactive && !args.json, &client)?,
    };
    let flow = args.device_code.then_some(LoginFlow::DeviceCode);
    let request = LoginRequest { name, flow, has_browser: browser::is_available() };
    let output = if args.json { Output::Json } else { Output::Text { qr: args.qr } };
    sign_in::follow(&client, &request, output, if args.no_browser { Browser::Print } else { Browser::Open })
}

/// Returns `AWS_PROFILE`, else the only session, else the user's choice.
fn choose_name(interactive: bool, client: &ControlClient) -> CommandResult<String> {
    if let Some(profile) = std::env::var("AWS_PROFILE").ok().filter(|name| !name.is_empty()) {
        return Ok(profile);
    }
    let status: Status = client.get("/v1/status")?;
    let sessions: Vec<String> = status.sessions.into_iter().map(|session| session.name).collect();
    match sessions.as_slice() {
        [] => Err(CommandError::new("There is no sso-session in the AWS config file.")
            .hint("Add one: ssod configure")),
        [only] => Ok(only.clone()),
        _ if !interactive => {
            Err(CommandError::usage(format!("There are several sessions: {}.", sessions.join(", ")))
                .hint("Give one: ssod login NAME"))
        }
        _ => Ok(sessions[prompt::choice("Sign in to", &sessions)?].clone()),
    }
}
