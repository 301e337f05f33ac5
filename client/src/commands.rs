//! The list of commands and the dispatch to them. Each command has its own file, with its arguments, its help and its
//! function.

mod audit;
mod completions;
mod configure;
mod credential_process;
mod doctor;
mod env;
mod exec;
mod list;
mod lock;
mod login;
mod logout;
mod man;
mod service;
mod status;
mod use_profile;
mod vault;

use std::ffi::OsString;

use clap::{CommandFactory, Parser, Subcommand};
use ssod_control::Paths;

use self::audit::AuditArgs;
use self::completions::CompletionsArgs;
use self::configure::ConfigureArgs;
use self::credential_process::CredentialProcessArgs;
use self::doctor::DoctorArgs;
use self::env::EnvArgs;
use self::exec::ExecArgs;
use self::list::ListArgs;
use self::login::LoginArgs;
use self::logout::LogoutArgs;
use self::man::ManArgs;
use self::service::ServiceArgs;
use self::status::StatusArgs;
use self::use_profile::UseArgs;
use self::vault::VaultArgs;
use crate::context::CommandContext;
use crate::error::CommandResult;

/// Places `--no-input` after a command's own options, and before `--help`, which clap gives 999.
const NO_INPUT_ORDER: usize = 998;

/// Sign in to AWS once. ssod renews your IAM Identity Center (SSO) sign-ins in the background and provides credentials
/// to every AWS tool on this machine.
#[derive(Parser)]
#[command(
    name = "ssod",
    version = ssod_control::VERSION,
    propagate_version = true,
    after_help = "Examples:\n  ssod configure                          add a session and a profile\n  ssod login adminUser                    sign in with the browser\n  eval \"$(ssod env readOnlyUser)\"         use readOnlyUser in this shell\n  ssod exec adminUser -- aws s3 ls        run one command as adminUser\n\nSettings, all optional: ~/.config/ssod/config.toml (SSOD_CONFIG sets another file).\nExit status: 0 success, 1 failure, 2 wrong usage, 3 sign-in needed, 4 daemon not reachable."
)]
pub(crate) struct Cli {
    /// Do not ask questions; fail if an answer is needed.
    #[arg(long, global = true, display_order = NO_INPUT_ORDER)]
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
    /// The daemon stops serving credentials at once, also after a restart. Sign-ins are kept, so `ssod unlock` needs no
    /// new sign-in. To lock automatically when no program has requested credentials for some time, set
    /// `idle_after = "30m"` under `[lock]` in ~/.config/ssod/config.toml. With `presence = true` there, the keyring is
    /// locked, too, and `ssod unlock` needs its password.
    Lock,
    /// Resume after `ssod lock`, or retry a key store that could not be opened.
    ///
    /// With `presence = true` under `[lock]`, the keyring asks for its password, unless it is unlocked already.
    Unlock,
    Vault(VaultArgs),
    Audit(AuditArgs),
    Service(ServiceArgs),
    Completions(CompletionsArgs),
    #[command(hide = true)]
    Man(ManArgs),
}

/// Prepares for the end of the program, if the error is one and not the help text.
pub(crate) fn before_usage_error(error: &clap::Error) {
    if error.use_stderr() {
        env::fail_shell_of(std::env::args().skip(1));
    }
}

/// Runs the command without clap, if AWS tools run it for every program that they start and its arguments are in their
/// plain form. Returns `None` for every other command line.
pub(crate) fn run_plain(arguments: impl IntoIterator<Item = OsString>) -> Option<CommandResult<()>> {
    let args = CredentialProcessArgs::parse_plain(arguments)?;
    Some(
        Paths::from_environment()
            .map_err(Into::into)
            .and_then(|paths| credential_process::run(&paths, &args)),
    )
}

/// Runs the command that the user typed.
pub(crate) fn run(cli: Cli) -> CommandResult<()> {
    let context = match (CommandContext::from_environment(cli.no_input), &cli.command) {
        (Ok(context), _) => context,
        // These need none of ssod's folders, and a package may be built as another user.
        (Err(_), Command::Completions(args)) => return completions::run(args),
        (Err(_), Command::Man(args)) => return man::run(args, Cli::command()),
        (Err(error), Command::Env(args)) => return env::fail(args, error.into()),
        (Err(error), _) => return Err(error.into()),
    };
    match cli.command {
        Command::Configure(args) => configure::run(&context, &args),
        Command::Login(args) => login::run(&context, &args),
        Command::Logout(args) => logout::run(&context, &args),
        Command::Use(args) => use_profile::run(&context, &args),
        Command::Env(args) => env::run(&context, &args),
        Command::Exec(args) => exec::run(&context, &args),
        Command::CredentialProcess(args) => credential_process::run(&context.paths, &args),
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
