//! Signs in through the daemon, and shows the user each step.

use console::Term;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use ssod_control::{ControlClient, LoginEvent, LoginRequest};

use crate::browser::BrowserError;
use crate::context::CommandContext;
use crate::error::{CommandError, CommandResult};
use crate::terminal::Style::{Bold, Green};
use crate::{browser, duration, local_settings, terminal};

/// What is printed during a sign-in.
#[derive(Clone, Copy)]
pub(crate) enum Output {
    Text { qr: bool },
    Json,
}

/// Whether ssod opens the sign-in page in the browser or only prints its address.
pub(crate) enum Browser {
    Open {
        /// The command that opens it; empty for the system's browser.
        command: String,
    },
    Print,
}

impl Browser {
    /// Returns the browser that the user's own settings name. Fails if other users can change these settings.
    pub(crate) fn of_user(context: &CommandContext) -> CommandResult<Self> {
        Ok(Self::Open { command: local_settings::browser(&context.paths)? })
    }

    /// Opens the page, if it is to be opened.
    fn open(&self, url: &str) -> Option<Result<(), BrowserError>> {
        match self {
            Self::Open { command } => Some(browser::open(url, command)),
            Self::Print => None,
        }
    }
}

/// Signs in like `ssod login NAME`, for other commands.
pub(crate) fn sign_in(context: &CommandContext, client: &ControlClient, name: &str) -> CommandResult<()> {
    let request = LoginRequest { name: name.to_owned(), flow: None, has_browser: browser::is_available() };
    follow(client, &request, Output::Text { qr: false }, &Browser::of_user(context)?)
}

/// Starts a sign-in and shows its events until it has succeeded or failed.
pub(crate) fn follow(
    client: &ControlClient,
    request: &LoginRequest,
    output: Output,
    browser: &Browser,
) -> CommandResult<()> {
    for event in client.events("/v1/login", request)? {
        let event = event?;
        match output {
            Output::Json => {
                terminal::print_json(serde_json::to_string(&event))?;
                // The program that reads the JSON shows the address.
                if let LoginEvent::Browser { url, .. } = &event
                    && let Some(Err(error)) = browser.open(url)
                {
                    terminal::eprintln(&format!("warning: {error}"));
                }
            }
            Output::Text { qr } => show(&event, qr, browser)?,
        }
        match event {
            LoginEvent::SignedIn { .. } => return Ok(()),
            LoginEvent::Failed { error } => return Err(error.into()),
            LoginEvent::Browser { .. } | LoginEvent::DeviceCode { .. } => {}
        }
    }
    Err(CommandError::new("The daemon stopped during the sign-in.").hint("Run ssod login again"))
}

fn show(event: &LoginEvent, qr: bool, browser: &Browser) -> CommandResult<()> {
    match event {
        LoginEvent::Browser { session, url, start_url } => {
            let opened = browser.open(url);
            if let Some(Err(error)) = &opened {
                terminal::eprintln(&format!(
                    "warning: {error}. To sign in on another machine: ssod login --device-code"
                ));
            }
            show_browser_address(session, url, start_url, opened == Some(Ok(())));
            if qr {
                terminal::eprintln(
                    "No QR code is shown, because the browser must run on this machine. See --device-code.",
                );
            }
            terminal::eprintln("Waiting for your approval…");
        }
        LoginEvent::DeviceCode { session, url, url_complete, code, expires_in, start_url, region } => {
            let session = terminal::stderr_style(Bold, session);
            terminal::eprintln(&format!("To sign in to {session} ({start_url}, {region}), visit:"));
            terminal::eprintln(&format!("\n  {url_complete}\n"));
            if qr {
                terminal::eprintln(&qr_code(url_complete)?);
            }
            show_device_code(code, url, *expires_in);
        }
        LoginEvent::SignedIn { session } => {
            terminal::print(&format!("{} to {session}.\n", terminal::stdout_style(Green, "Signed in")))?;
        }
        LoginEvent::Failed { .. } => {}
    }
    Ok(())
}

fn show_browser_address(session: &str, url: &str, start_url: &str, opened: bool) {
    let session = terminal::stderr_style(Bold, session);
    if opened {
        terminal::eprintln(&format!("Your browser opens to sign in to {session} ({start_url})."));
        terminal::eprintln("If it does not open, visit:");
    } else {
        terminal::eprintln(&format!("To sign in to {session} ({start_url}),"));
        terminal::eprintln("visit this address with a browser on this machine:");
    }
    terminal::eprintln(&format!("\n  {url}\n"));
}

fn show_device_code(code: &str, url: &str, expires_in: u64) {
    terminal::eprintln(&format!("and confirm this code (or enter it at {url}):"));
    terminal::eprintln(&format!("\n  {}\n", terminal::stderr_style(Bold, code)));
    // A code that is valid for ten minutes may have a second less when it arrives, so the time is rounded up to
    // minutes.
    let rounded = if expires_in > 60 { expires_in.next_multiple_of(60) } else { expires_in };
    terminal::eprintln(&format!(
        "Confirm only if the page shows exactly this code. Waiting for up to {}…",
        duration::format(rounded)
    ));
}

/// Renders a QR code in black on white, whatever the terminal's colours are, because many phones cannot read an
/// inverted code.
fn qr_code(text: &str) -> CommandResult<String> {
    let code = QrCode::new(text)
        .map_err(|error| CommandError::new(format!("The address cannot be shown as a QR code: {error}.")))?;
    let image = code.render::<Dense1x2>().build();
    let width = image.lines().map(|line| line.chars().count()).max().unwrap_or_default();
    let columns = usize::from(Term::stderr().size().1);
    if columns < width {
        return Ok(format!(
            "warning: the terminal is too narrow for the QR code, which needs {width} columns"
        ));
    }
    Ok(image.lines().map(terminal::black_on_white).collect::<Vec<_>>().join("\n"))
}
