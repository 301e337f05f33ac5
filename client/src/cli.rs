//! The command line: what there is to type, with the help that goes with it.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::ArgValueCandidates;

use crate::commands::{complete_names, complete_profiles};
use crate::duration;

/// Sign in to AWS once: ssod keeps IAM Identity Center sign-ins fresh and serves their credentials to every AWS tool
/// on this machine.
#[derive(Parser)]
#[command(
    name = "ssod",
    version = ssod_control::VERSION,
    propagate_version = true,
    after_help = "Examples:\n  ssod configure                          add a session and a profile\n  ssod login adminUser                    sign in; a browser opens\n  eval \"$(ssod env readOnlyUser)\"         this shell uses readOnlyUser\n  ssod exec adminUser -- aws s3 ls        one command as adminUser\n\nExit status: 0 done, 1 failed, 2 wrong usage, 3 sign-in needed, 4 daemon not reachable."
)]
pub(crate) struct Cli {
    /// Never ask; fail instead.
    #[arg(long, global = true)]
    pub(crate) no_input: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Add a session and a profile to the AWS config file.
    Configure(Configure),
    /// Sign in.
    Login(Login),
    /// Sign out and forget everything, here and at AWS.
    Logout(Logout),
    /// Choose the active profile, for IMDS and for `ssod env` without a name.
    Use(Use),
    /// Print what a shell needs to use a profile; for eval.
    Env(Env),
    /// Run a command as a profile.
    Exec(Exec),
    /// Print a profile's credentials for `credential_process` in the AWS config file.
    CredentialProcess(CredentialProcess),
    /// List the accounts and roles that you may use.
    List(List),
    /// Show sessions and profiles.
    Status(Status),
    /// Check everything that goes wrong in practice, and say the remedy.
    Doctor(Doctor),
    /// Drop every secret from the daemon's memory until `ssod unlock`.
    ///
    /// Handing out stops at once, and stays so over a restart. Nobody need sign in again after `ssod unlock`. To lock by
    /// itself after some time without use, set `idle_after = "30m"` under `[lock]` in config.toml.
    Lock,
    /// Go on after `ssod lock`, or ask the key store again.
    Unlock,
    /// Change the key that seals what rests on disk.
    Vault(Vault),
    /// Show who got which profile's credentials, and who did not.
    Audit(Audit),
    /// Run the daemon as a service, from login on.
    Service(Service),
    /// Print a shell's completions, which know your profiles.
    Completions(Completions),
    /// Write the man pages into a folder.
    #[command(hide = true)]
    Man(Man),
}

/// Under systemd the port is held from login on, a restart refuses no connection, and renewal does not wait for a first
/// request. Where there is no service manager (a container, WSL without systemd), the daemon runs detached.
#[derive(Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:\n  ssod service install            now, and from each login on\n  ssod service logs --follow"
)]
pub(crate) struct Service {
    #[command(subcommand)]
    pub(crate) action: ServiceAction,
}

#[derive(Subcommand)]
pub(crate) enum ServiceAction {
    /// Install and start it, with the ports of config.toml; again after a change of ports.
    Install,
    /// Stop it and remove it. Sign-ins stay sealed where they are.
    Uninstall,
    /// Start it.
    Start,
    /// Stop it.
    Stop,
    /// Show how the service stands.
    Status,
    /// Show its log.
    Logs {
        /// Go on as it grows.
        #[arg(long, short)]
        follow: bool,
    },
}

/// Put the line for your shell into its startup file.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  eval \"$(ssod completions bash)\"       in ~/.bashrc; zsh likewise in ~/.zshrc\n  ssod completions fish | source        in ~/.config/fish/config.fish"
)]
pub(crate) struct Completions {
    /// For which shell: bash, zsh, fish, elvish, powershell.
    pub(crate) shell: String,
}

#[derive(Args)]
pub(crate) struct Man {
    /// Where to; it is made where it is missing.
    pub(crate) folder: std::path::PathBuf,
}

/// Asks for what the flags leave open, signs in where it must to offer accounts and roles, and writes
/// `[sso-session]` and `[profile]`. Every other byte of the file stays.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  ssod configure\n  ssod configure --profile readOnlyUser --session sso-session-readOnlyUser \\\n      --start-url https://d-1234567890.awsapps.com/start --region us-east-1 \\\n      --account 123456789012 --role ReadOnlyRole\n  ssod configure --convert oldProfile     make an AWS profile go through ssod"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Configure {
    /// Name of the profile.
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Name of the sso-session.
    #[arg(long, value_name = "NAME")]
    pub(crate) session: Option<String>,
    /// Where you sign in.
    #[arg(long, value_name = "URL")]
    pub(crate) start_url: Option<String>,
    /// Identity Center's home region.
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// Scopes, separated by commas.
    #[arg(long, value_name = "SCOPES")]
    pub(crate) scopes: Option<String>,
    /// Account of the role.
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<String>,
    /// Role (permission set).
    #[arg(long, value_name = "NAME")]
    pub(crate) role: Option<String>,
    /// Region for the profile's own calls; the session's where it is not given.
    #[arg(long, value_name = "REGION")]
    pub(crate) profile_region: Option<String>,
    /// Write AWS's own keys (`sso_account_id` …), with which `--profile` goes past ssod.
    #[arg(long)]
    pub(crate) sso_keys: bool,
    /// Turn a profile of AWS's form into ssod's; without a name, with --all, every one.
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["profile", "session", "sso_keys"])]
    pub(crate) convert: Option<String>,
    /// With --convert: every profile.
    #[arg(long, requires = "convert")]
    pub(crate) all: bool,
    /// Replace a profile that means another role now, or a session that is elsewhere now, without asking.
    #[arg(long)]
    pub(crate) replace: bool,
    /// Show what would be written, and write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Opens the browser where there is one on this machine, and shows a code to confirm elsewhere where there is none.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  ssod login adminUser\n  ssod login --device-code --qr            confirm on your phone\n  ssod login --no-browser                  print the address, open nothing"
)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct Login {
    /// A profile or an sso-session; without it AWS_PROFILE, else the only session, else you choose.
    #[arg(add = ArgValueCandidates::new(complete_names))]
    pub(crate) name: Option<String>,
    /// Show a code to confirm on any machine, instead of using this machine's browser.
    #[arg(long)]
    pub(crate) device_code: bool,
    /// Print the address only.
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// Show the address as a QR code too.
    #[arg(long)]
    pub(crate) qr: bool,
    /// Print one JSON event a line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Handing out stops at once. Credentials that AWS already issued cannot be recalled: it says until when they live.
#[derive(Args)]
pub(crate) struct Logout {
    /// A profile or an sso-session; without it every session.
    #[arg(add = ArgValueCandidates::new(complete_names))]
    pub(crate) name: Option<String>,
    /// Make open shells ask anew: the endpoint tokens that they hold are refused from now on.
    #[arg(long)]
    pub(crate) revoke_shells: bool,
}

/// It counts for IMDS and for shells that ran `ssod env` without a name. At first there is none.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  ssod use readOnlyUser\n  ssod use adminUser --for 15m     and back to readOnlyUser by itself\n  ssod use --none"
)]
pub(crate) struct Use {
    /// The profile; without it you choose.
    #[arg(conflicts_with = "none")]
    #[arg(add = ArgValueCandidates::new(complete_profiles))]
    pub(crate) name: Option<String>,
    /// Go back by itself after this long (15m, 1h30m).
    #[arg(long = "for", value_name = "DURATION", value_parser = duration::parse, conflicts_with = "none")]
    pub(crate) lasting: Option<Duration>,
    /// No profile.
    #[arg(long)]
    pub(crate) none: bool,
}

/// Fetches nothing, so it also works before you signed in: the AWS tool then says what to type.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  eval \"$(ssod env readOnlyUser)\"        this shell is readOnlyUser\n  eval \"$(ssod env)\"                     this shell follows `ssod use`\n  ssod env adminUser --shell fish | source"
)]
pub(crate) struct Env {
    /// The profile; without it, whatever `ssod use` chose at each moment.
    #[arg(add = ArgValueCandidates::new(complete_profiles))]
    pub(crate) name: Option<String>,
    /// Use IMDS instead of the container endpoint.
    #[arg(long)]
    pub(crate) imds: bool,
    /// For which shell; by default the one that runs ssod, else the one in SHELL.
    #[arg(long, value_enum)]
    pub(crate) shell: Option<Shell>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Sh,
    Bash,
    Zsh,
    Fish,
    Powershell,
    /// One flat object; null means unset.
    Json,
}

/// Checks that somebody is signed in, then runs the command; its exit status is the command's.
#[derive(Args)]
#[command(
    after_help = "Example:\n  ssod exec adminUser -- aws ec2 stop-instances --instance-ids i-0123456789abcdef0"
)]
pub(crate) struct Exec {
    /// The profile; without it the active one.
    #[arg(value_name = "NAME", add = ArgValueCandidates::new(complete_profiles))]
    pub(crate) name: Option<String>,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

/// Written by `ssod configure` into the AWS config file; you need not call it.
#[derive(Args)]
pub(crate) struct CredentialProcess {
    /// The profile.
    #[arg(add = ArgValueCandidates::new(complete_profiles))]
    pub(crate) name: String,
}

#[derive(Args)]
pub(crate) struct List {
    /// A profile or an sso-session; without it every session.
    #[arg(add = ArgValueCandidates::new(complete_names))]
    pub(crate) name: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Status {
    /// Print JSON.
    #[arg(long, conflicts_with = "watch")]
    pub(crate) json: bool,
    /// Show it anew every second, until Ctrl-C.
    #[arg(long)]
    pub(crate) watch: bool,
}

/// Looks at the daemon, its port, its key store, its files, and at this shell. Ends with 1 where something must be mended.
#[derive(Args)]
pub(crate) struct Doctor {
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Vault {
    #[command(subcommand)]
    pub(crate) command: VaultCommand,
}

/// Everything is sealed anew under a new key; nobody need sign in again, and nothing is served late.
#[derive(Subcommand)]
pub(crate) enum VaultCommand {
    /// Make a new key, and forget the old one.
    Rekey,
    /// Make a new key in another key store, and forget the old one.
    #[command(
        after_help = "Examples:\n  ssod vault move secret-service     the desktop's keyring (GNOME Keyring, KDE Wallet)\n  ssod vault move file               a file that only you can read"
    )]
    Move {
        /// Where to.
        #[arg(value_enum, value_name = "KEYSTORE")]
        key_store: KeyStore,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyStore {
    /// The desktop's keyring.
    SecretService,
    /// The kernel's keyring: memory only, gone at reboot.
    Keyutils,
    /// The macOS keychain.
    Keychain,
    /// A file that only you can read.
    File,
}

impl std::fmt::Display for KeyStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::SecretService => "secret-service",
            Self::Keyutils => "keyutils",
            Self::Keychain => "keychain",
            Self::File => "file",
        })
    }
}

/// What repeats itself within a minute (a grant: within a second) is counted into one line. A program that had ended before it
/// could be looked at for certain is "gone". The log has two files of 4 MiB at most.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  ssod audit --follow\n  ssod audit --profile adminUser --json | jq .program\n  ssod audit --refused"
)]
pub(crate) struct Audit {
    /// Only this profile.
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Only refusals.
    #[arg(long)]
    pub(crate) refused: bool,
    /// So many of the latest lines.
    #[arg(long, short = 'n', value_name = "COUNT", default_value_t = 50)]
    pub(crate) last: usize,
    /// Go on showing what comes, until Ctrl-C.
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Print the lines as they are written, one JSON object each.
    #[arg(long)]
    pub(crate) json: bool,
}
