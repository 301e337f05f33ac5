//! `ssod service`.

use clap::{Args, Subcommand};

use crate::context::CommandContext;
use crate::error::CommandResult;
use crate::service;

/// Run the daemon as a service that starts at login.
///
/// With systemd, the endpoint's port is open from login on, no connection is refused while the daemon restarts, and
/// sign-ins are renewed before the first request. Without a service manager (in a container, or in WSL without
/// systemd), these commands run the daemon as a background process.
#[derive(Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  ssod service install            start it now, and at every login\n  ssod service status             show whether it runs\n  ssod service logs --follow      show new lines of its log until Ctrl-C"
)]
pub(crate) struct ServiceArgs {
    #[command(subcommand)]
    action: ServiceAction,
}

#[derive(Subcommand)]
enum ServiceAction {
    /// Install and start the service. Run it again after an upgrade, or after you change a port in config.toml.
    Install,
    /// Stop and remove the service. Your sign-ins stay on disk, encrypted.
    Uninstall,
    /// Start the service.
    Start,
    /// Stop the service.
    Stop,
    /// Show whether the service runs.
    Status,
    /// Show the end of the service's log.
    Logs {
        /// Show new lines as they are written, until Ctrl-C.
        #[arg(long, short)]
        follow: bool,
    },
}

pub(crate) fn run(context: &CommandContext, args: &ServiceArgs) -> CommandResult<()> {
    match args.action {
        ServiceAction::Install => service::install(context),
        ServiceAction::Uninstall => service::uninstall(context),
        ServiceAction::Start => service::start(context),
        ServiceAction::Stop => service::stop(context),
        ServiceAction::Status => service::status(context),
        ServiceAction::Logs { follow } => service::logs(context, follow),
    }
}
