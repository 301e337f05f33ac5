//! `ssod-daemon`: runs in the foreground, logs to stderr, ends on SIGTERM or Ctrl-C.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use ssod_clock::WallClock;
use ssod_control::{Paths, PathsError};
use ssod_daemon::{
    AlreadyRuns, App, Inherited, Options, Settings, SettingsError, harden, init_logging, restrict_environment,
};
use ssod_model::printable;
use tokio::signal::unix::{SignalKind, signal};

/// The ssod daemon: keeps AWS IAM Identity Center sign-ins fresh and serves their credentials on 127.0.0.1.
///
/// It runs in the foreground and logs to stderr. Usually `ssod` or the service manager starts it; each user has one.
#[derive(Parser)]
#[command(
    version = ssod_control::VERSION,
    after_help = "Files:\n  ~/.config/ssod/config.toml   settings, all optional (SSOD_CONFIG sets another file)\n  \
                  ~/.local/state/ssod          sealed sign-ins\n\nEnvironment:\n  SSOD_LOG      the log filter, such as debug or ssod_broker=trace\n  \
                  SSOD_SOCKET   another control socket"
)]
struct Arguments {
    /// Print the ports that the settings name, one per line, for a service manager, and exit.
    #[arg(long)]
    print_ports: bool,
}

/// Wipes freed memory, because libraries copy secrets into their own buffers, for example for responses and JSON.
#[global_allocator]
static WIPING: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

fn main() -> ExitCode {
    harden();
    let arguments = Arguments::parse();
    match restrict_environment().and_then(|()| if arguments.print_ports { print_ports() } else { start() }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The error is one line, because a client that started this daemon shows the last lines of its log.
            let _ = writeln!(std::io::stderr(), "error: {}", printable(&format!("{error:#}")));
            if let Some(remedy) = remedy(&error) {
                let _ = writeln!(std::io::stderr(), "hint: {}", printable(&remedy));
            }
            if error.is::<AlreadyRuns>() {
                ExitCode::from(ssod_control::ALREADY_RUNS)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

/// Returns what the user can do about the error.
fn remedy(error: &anyhow::Error) -> Option<String> {
    let of_settings = error.downcast_ref::<SettingsError>().map(SettingsError::remedy);
    of_settings.or_else(|| error.downcast_ref::<PathsError>()?.remedy())
}

fn start() -> Result<()> {
    // This must run before any thread starts, because it removes environment variables.
    let inherited = Inherited::from_environment()?;
    let paths = Paths::from_environment()?;
    let settings = Settings::load(&paths.settings, &paths.home)?;
    init_logging(settings.log.format);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let outcome = runtime.block_on(run(paths, settings, inherited));
    // A hidden prompt of a key store may still block a thread; the exit does not wait for it.
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}

/// Prints the endpoint's port first, then those of IMDS.
fn print_ports() -> Result<()> {
    let paths = Paths::from_environment()?;
    let ports = ssod_daemon::ports(&Settings::load(&paths.settings, &paths.home)?, &paths)?;
    let text: String = ports.iter().map(|port| format!("{port}\n")).collect();
    std::io::stdout().write_all(text.as_bytes()).context("cannot write to stdout")
}

async fn run(paths: Paths, settings: Settings, inherited: Inherited) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let variable = Box::new(|name: &str| std::env::var(name).ok());
    let options = Options { paths, settings, variable, inherited };
    let mut stop = std::pin::pin!(stop);
    // A key store may be slow; the stop does not wait for it.
    let app = tokio::select! {
        app = App::start(options, WallClock::default().into()) => app?,
        () = &mut stop => return Ok(()),
    };
    app.run_until(stop).await;
    Ok(())
}
