//! `ssod login`.

use console::Term;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use ssod_control::{ControlClient, LoginEvent, LoginFlow, LoginRequest, Status};

use super::Context;
use crate::cli::Login;
use crate::failure::{Failure, Outcome};
use crate::{browser, daemon, duration, prompt, terminal};

pub(crate) fn run(context: &Context, command: &Login) -> Outcome<()> {
    let client = daemon::connect(&context.paths)?;
    let name = match &command.name {
        Some(name) => name.clone(),
        None => choose(context.interactive && !command.json, &client)?,
    };
    let has_browser = browser::is_here();
    let flow = command.device_code.then_some(LoginFlow::DeviceCode);
    let show = if command.json { Show::Json } else { Show::Text { qr: command.qr } };
    follow(&client, &LoginRequest { name, flow, has_browser }, show, !command.no_browser)
}

/// Signs in as `ssod login NAME` does, for commands that need it on the way.
pub(crate) fn sign_in(client: &ControlClient, name: &str) -> Outcome<()> {
    let request = LoginRequest { name: name.to_owned(), flow: None, has_browser: browser::is_here() };
    follow(client, &request, Show::Text { qr: false }, true)
}

#[derive(Clone, Copy)]
enum Show {
    Text { qr: bool },
    Json,
}

fn follow(client: &ControlClient, request: &LoginRequest, show: Show, open: bool) -> Outcome<()> {
    for event in client.events("/v1/login", request)? {
        let event = event?;
        match show {
            Show::Json => {
                let line = serde_json::to_string(&event).map_err(std::io::Error::from)?;
                terminal::print(&format!("{line}\n"))?;
                if let (LoginEvent::Browser { url, browser, .. }, true) = (&event, open) {
                    browser::open(url, browser);
                }
            }
            Show::Text { qr } => tell(&event, qr, open)?,
        }
        match event {
            LoginEvent::SignedIn { .. } => return Ok(()),
            LoginEvent::Failed { error } => return Err(error.into()),
            LoginEvent::Browser { .. } | LoginEvent::DeviceCode { .. } => {}
        }
    }
    Err(Failure::new("The daemon ended before the sign-in did.").hint("Run ssod login again"))
}

fn tell(event: &LoginEvent, qr: bool, open: bool) -> Outcome<()> {
    match event {
        LoginEvent::Browser { session, url, start_url, browser } => {
            let opened = open && browser::open(url, browser);
            if open && !opened {
                terminal::warn(
                    "warning: no browser could be started here. Elsewhere: ssod login --device-code",
                );
            }
            let how = if opened { "Your browser opens to sign in to" } else { "To sign in to" };
            terminal::warn(&format!("{how} {} ({start_url}).", terminal::bold(session)));
            terminal::warn(if opened {
                "If it does not, visit:"
            } else {
                "Visit, with a browser on this machine:"
            });
            terminal::warn(&format!("\n  {url}\n"));
            if qr {
                terminal::warn(
                    "A QR code makes no sense here: the browser must run on this machine. See --device-code.",
                );
            }
            terminal::warn("Waiting for you to approve…");
        }
        LoginEvent::DeviceCode { session, url, url_complete, code, expires_in, start_url, region } => {
            terminal::warn(&format!(
                "To sign in to {} ({start_url}, {region}), visit:",
                terminal::bold(session)
            ));
            terminal::warn(&format!("\n  {url_complete}\n"));
            if qr {
                terminal::warn(&qr_code(url_complete)?);
            }
            terminal::warn(&format!("and confirm this code (or type it at {url}):"));
            terminal::warn(&format!("\n  {}\n", terminal::bold(code)));
            // A code of ten minutes arrives with a second less.
            let life =
                duration::show(if *expires_in > 60 { expires_in.next_multiple_of(60) } else { *expires_in });
            terminal::warn(&format!(
                "Confirm it only where you see this very code. Waiting for up to {life}…"
            ));
        }
        LoginEvent::SignedIn { session } => {
            terminal::print(&format!("{} to {session}.\n", terminal::green("Signed in")))?;
        }
        LoginEvent::Failed { .. } => {}
    }
    Ok(())
}

/// Black on white whatever the terminal's colours are: phones read it no other way.
fn qr_code(text: &str) -> Outcome<String> {
    let code =
        QrCode::new(text).map_err(|error| Failure::new(format!("The address makes no QR code: {error}.")))?;
    let image = code.render::<Dense1x2>().build();
    let width = image.lines().map(|line| line.chars().count()).max().unwrap_or_default();
    let columns = usize::from(Term::stderr().size().1);
    if columns < width {
        return Ok(format!(
            "warning: the terminal is too narrow for the QR code, which needs {width} columns"
        ));
    }
    Ok(image.lines().map(|line| format!("\x1b[30;107m{line}\x1b[0m")).collect::<Vec<_>>().join("\n"))
}

/// `AWS_PROFILE`, else the only session, else the person's choice.
fn choose(interactive: bool, client: &ControlClient) -> Outcome<String> {
    if let Some(profile) = std::env::var("AWS_PROFILE").ok().filter(|name| !name.is_empty()) {
        return Ok(profile);
    }
    let status: Status = client.get("/v1/status")?;
    let sessions: Vec<String> = status.sessions.into_iter().map(|session| session.name).collect();
    match sessions.as_slice() {
        [] => {
            Err(Failure::new("There is no sso-session in the AWS config file.")
                .hint("Add one: ssod configure"))
        }
        [only] => Ok(only.clone()),
        _ if !interactive => {
            Err(Failure::usage(format!("There are several sessions: {}.", sessions.join(", ")))
                .hint("Name one: ssod login NAME"))
        }
        _ => Ok(sessions[prompt::choice("Sign in to", &sessions)?].clone()),
    }
}
