//! `ssod-daemon`: runs in the foreground, logs to stderr, ends on SIGTERM or Ctrl-C.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use ssod_clock::WallClock;
use ssod_control::Paths;
use ssod_daemon::{AlreadyRuns, App, Inherited, Options, Settings, init_logging};
use tokio::signal::unix::{SignalKind, signal};

/// The ssod daemon: keeps AWS IAM Identity Center sign-ins fresh and serves their credentials on 127.0.0.1.
///
/// It runs in the foreground and logs to stderr. Usually `ssod` starts it; there is one for each user.
#[derive(Parser)]
#[command(
    version = ssod_control::VERSION,
    after_help = "Files:\n  ~/.config/ssod/config.toml   settings, all optional (SSOD_CONFIG names another file)\n  \
                  ~/.local/state/ssod          sealed sign-ins\n\nEnvironment:\n  SSOD_LOG      what is logged, such as debug or ssod_broker=trace\n  \
                  SSOD_SOCKET   another control socket"
)]
struct Arguments {
    /// Print the ports that the settings name, one a line, for a service manager that is to hold them; then end.
    #[arg(long)]
    print_ports: bool,
}

/// Wipes what is freed: also the copies that libraries made of a secret, in the buffers of an answer or of JSON.
#[global_allocator]
static WIPING: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

/// More than all listeners together allow.
#[cfg(target_os = "linux")]
const DESCRIPTORS: u64 = 65_536;

fn main() -> ExitCode {
    harden();
    let arguments = Arguments::parse();
    match if arguments.print_ports { print_ports() } else { start() } {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line: the client that started this daemon shows the last one of its log.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            if error.is::<AlreadyRuns>() {
                ExitCode::from(ssod_control::ALREADY_RUNS)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

fn start() -> Result<()> {
    // Before any thread is started, because it takes variables out of the environment.
    let inherited = Inherited::from_environment()?;
    let paths = Paths::from_environment()?;
    let settings = Settings::load(&paths.settings)?;
    init_logging(settings.log.format);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let outcome = runtime.block_on(run(paths, settings, inherited));
    // A key store's hidden prompt may still hold a thread; the end does not wait for it.
    runtime.shutdown_timeout(Duration::from_millis(100));
    outcome
}

/// The endpoint's port first, then those of IMDS.
fn print_ports() -> Result<()> {
    let paths = Paths::from_environment()?;
    let ports = ssod_daemon::ports(&Settings::load(&paths.settings)?, &paths)?;
    let text: String = ports.iter().map(|port| format!("{port}\n")).collect();
    std::io::stdout().write_all(text.as_bytes()).context("nobody reads the ports")
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
    // A key store may take its time; the stop does not wait for it.
    let app = tokio::select! {
        app = App::start(options, WallClock::default().into()) => app?,
        () = &mut stop => return Ok(()),
    };
    app.run_until(stop).await;
    Ok(())
}

/// Before anything secret is read: no core dumps, no other process of this user looks into our memory, and no file
/// of ours is anybody else's to read.
fn harden() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{
            DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit,
        };
        // Failing leaves the defaults, under which everything else still holds.
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
        // Thousands of idle connections must not keep the vault from its files.
        let descriptors = getrlimit(Resource::Nofile);
        let current = descriptors.maximum.map_or(DESCRIPTORS, |most| most.min(DESCRIPTORS));
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(current), ..descriptors });
    }
}
