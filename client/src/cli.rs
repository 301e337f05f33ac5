//! The command line: the list of commands, and the dispatch to them.

use clap::{CommandFactory, Parser, Subcommand};

use crate::commands::audit::{self, AuditArgs};
use crate::commands::completions::{self, CompletionsArgs};
use crate::commands::configure::{self, ConfigureArgs};
use crate::commands::credential_process::{self, CredentialProcessArgs};
use crate::commands::doctor::{self, DoctorArgs};
use crate::commands::env::{self, EnvArgs};
use crate::commands::exec::{self, ExecArgs};
use crate::commands::list::{self, ListArgs};
use crate::commands::lock;
use crate::commands::login::{self, LoginArgs};
use crate::commands::logout::{self, LogoutArgs};
use crate::commands::man::{self, ManArgs};
use crate::commands::service::{self, ServiceArgs};
use crate::commands::status::{self, StatusArgs};
use crate::commands::use_profile::{self, UseArgs};
use crate::commands::vault::{self, VaultArgs};
use crate::context::Context;
use crate::error::CommandResult;

/// Sign in to AWS once: ssod keeps IAM Identity Center sign-ins fresh and serves their credentials to every AWS tool
/// on this machine.
#[derive(Parser)]
#[command(
    name = "ssod",
    version = ssod_control::VERSION,
    propagate_version = true,
    after_help = "Examples:\n  ssod configure                          add a session and a profile\n  ssod login adminUser                    sign in with the browser\n  eval \"$(ssod env readOnlyUser)\"         use readOnlyUser in this shell\n  ssod exec adminUser -- aws s3 ls        run one command as adminUser\n\nExit status: 0 success, 1 failure, 2 wrong usage, 3 sign-in needed, 4 daemon not reachable."
)]
pub(crate) struct Cli {
    /// Never ask questions; fail instead.
    #[arg(long, global = true)]
    no_input: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Configure(ConfigureArgs),
    Login(LoginArgs),
    Logout(LogoutArgs),
    Use(UseArgs),
    Env(EnvArgs),
    Exec(ExecArgs),
    CredentialProcess(CredentialProcessArgs),
    List(ListArgs),
    Status(StatusArgs),
    Doctor(DoctorArgs),
    /// Remove all secrets from the daemon's memory until `ssod unlock`.
    ///
    /// The daemon stops serving credentials at once, also after a restart. Sign-ins are kept, so `ssod unlock` needs no new
    /// sign-in. To lock automatically after some time without use, set `idle_after = "30m"` under `[lock]` in config.toml.
    Lock,
    /// Resume after `ssod lock`, or try again to open the key store.
    Unlock,
    Vault(VaultArgs),
    Audit(AuditArgs),
    Service(ServiceArgs),
    Completions(CompletionsArgs),
    #[command(hide = true)]
    Man(ManArgs),
}

/// Runs the command that the user typed.
pub(crate) fn run(cli: Cli) -> CommandResult<()> {
    let context = Context::from_environment(cli.no_input)?;
    match cli.command {
        Command::Configure(args) => configure::run(&context, &args),
        Command::Login(args) => login::run(&context, &args),
        Command::Logout(args) => logout::run(&context, &args),
        Command::Use(args) => use_profile::run(&context, &args),
        Command::Env(args) => env::run(&context, &args),
        Command::Exec(args) => exec::run(&context, &args),
        Command::CredentialProcess(args) => credential_process::run(&context, &args),
        Command::List(args) => list::run(&context, &args),
        Command::Status(args) => status::run(&context, &args),
        Command::Doctor(args) => doctor::run(&context, &args),
        Command::Lock => lock::lock(&context),
        Command::Unlock => lock::unlock(&context),
        Command::Vault(args) => vault::run(&context, &args),
        Command::Audit(args) => audit::run(&context, &args),
        Command::Service(args) => service::run(&context, &args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args, Cli::command()),
    }
}
