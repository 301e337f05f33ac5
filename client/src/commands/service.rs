//! `ssod service`.

use clap::{Args, Subcommand};

use crate::context::Context;
use crate::error::CommandResult;
use crate::service;

/// Run the daemon as a service that starts at login.
///
/// With systemd, the port is open from login on, a restart refuses no connection, and ssod renews sign-ins before the first
/// request. Without a service manager (in a container, or WSL without systemd), the daemon runs as a background process.
#[derive(Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  ssod service install            start it now, and at every login\n  ssod service logs --follow"
)]
pub(crate) struct ServiceArgs {
    #[command(subcommand)]
    action: ServiceAction,
}

#[derive(Subcommand)]
enum ServiceAction {
    /// Install and start the service, with the ports in config.toml; run it again after you change a port.
    Install,
    /// Stop and remove the service. The encrypted sign-ins stay on disk.
    Uninstall,
    /// Start the service.
    Start,
    /// Stop the service.
    Stop,
    /// Show whether the service runs.
    Status,
    /// Show the service's log.
    Logs {
        /// Show new lines as they are written, until Ctrl-C.
        #[arg(long, short)]
        follow: bool,
    },
}

pub(crate) fn run(context: &Context, args: &ServiceArgs) -> CommandResult<()> {
    match args.action {
        ServiceAction::Install => service::install(context),
        ServiceAction::Uninstall => service::uninstall(context),
        ServiceAction::Start => service::start(context),
        ServiceAction::Stop => service::stop(context),
        ServiceAction::Status => service::status(context),
        ServiceAction::Logs { follow } => service::logs(context, follow),
    }
}
