//! `ssod login`.

use clap::Args;
use clap_complete::ArgValueCandidates;
use serde::Serialize;
use ssod_control::{Access, ControlClient, LoginFlow, LoginRequest, Status};

use crate::access::{ProfileReport, Verdict};
use crate::context::CommandContext;
use crate::error::{CommandError, CommandResult};
use crate::sign_in::{Browser, Output};
use crate::{access, browser, completers, connection, key_store, prompt, sign_in, terminal};

/// Sign in to IAM Identity Center.
///
/// Opens the browser if this machine has one. Otherwise, for example over SSH, shows a code that you confirm in a
/// browser on another machine. ssod then renews the sign-in in the background up to the session length that your
/// administrator has set.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  ssod login adminUser                     open the browser, or show a code over SSH\n  ssod login --device-code --qr            confirm the code on your phone\n  ssod login --no-browser                  print the address, open no browser"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct LoginArgs {
    /// A profile or an sso-session; by default the profile in AWS_PROFILE, else the only session, else you choose one.
    #[arg(add = ArgValueCandidates::new(completers::profile_and_session_names))]
    name: Option<String>,
    /// Show a code that you confirm in a browser on any machine, instead of opening this machine's browser.
    #[arg(long)]
    device_code: bool,
    /// Print the address of the sign-in page instead of opening it; the browser must run on this machine.
    #[arg(long)]
    no_browser: bool,
    /// With a code: also show the address as a QR code.
    #[arg(long)]
    qr: bool,
    /// Print each step of the sign-in as JSON, one object per line.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &CommandContext, args: &LoginArgs) -> CommandResult<()> {
    let client = connection::connect(&context.paths)?;
    key_store::ensure_open(context, &client, context.interactive && !args.json)?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => choose_name(context.interactive && !args.json, &client)?,
    };
    let flow = args.device_code.then_some(LoginFlow::DeviceCode);
    let request = LoginRequest { name: name.clone(), flow, has_browser: browser::is_available() };
    let output = if args.json { Output::Json } else { Output::Text { qr: args.qr } };
    let browser =
        if args.no_browser || args.device_code { Browser::Print } else { Browser::of_user(context)? };
    sign_in::follow(&client, &request, output, &browser)?;
    report_access(&client, &name, args.json)
}

/// Checks what the signed-in user can use: the profile that was named, or every profile of the session. The sign-in is
/// kept whatever the result is.
fn report_access(client: &ControlClient, name: &str, json: bool) -> CommandResult<()> {
    let status: Status = client.get("/v1/status")?;
    if status.profiles.iter().any(|profile| profile.name == name) {
        match access::check_profile(client, name)? {
            Verdict::Works if !json => terminal::print(&format!("Profile {name} works.\n"))?,
            Verdict::Works => {}
            Verdict::NotChecked(error) => {
                terminal::eprintln(&format!("warning: cannot check whether profile {name} works: {error}"));
            }
        }
        return Ok(());
    }
    let access = match access::of_session(client, name, None) {
        Ok(access) => access,
        Err(error) => {
            terminal::eprintln(&format!("warning: cannot check which profiles work: {error}"));
            return Ok(());
        }
    };
    if json {
        terminal::print_json(serde_json::to_string(&ProfilesEvent { event: "profiles", access: &access }))?;
    }
    let report = ProfileReport::of(&access);
    if !json && !report.works.is_empty() {
        terminal::print(&format!("{}\n", report.works))?;
    }
    for problem in &report.problems {
        terminal::eprintln(problem);
    }
    if report.nothing_works {
        return Err(CommandError::new(format!(
            "You are signed in to {name}, but this user can use none of its profiles."
        ))
        .hint(access::other_user(name)));
    }
    Ok(())
}

/// The last event of `--json` for a session.
#[derive(Serialize)]
struct ProfilesEvent<'a> {
    event: &'static str,
    #[serde(flatten)]
    access: &'a Access,
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
