//! `ssod vault rekey` and `ssod vault move`.

use std::fmt;

use clap::{Args, Subcommand, ValueEnum};
use ssod_control::{RekeyRequest, Rekeyed};

use crate::context::Context;
use crate::error::CommandResult;
use crate::{connection, terminal};

/// Replace the key that encrypts ssod's files on disk.
///
/// ssod encrypts all files again with a new key. You stay signed in, and requests are served meanwhile.
#[derive(Args)]
pub(crate) struct VaultArgs {
    #[command(subcommand)]
    command: VaultCommand,
}

#[derive(Subcommand)]
enum VaultCommand {
    /// Create a new key and delete the old one.
    Rekey,
    /// Create a new key in another key store and delete the old one.
    #[command(
        after_help = "Examples:\n  ssod vault move secret-service     the desktop's keyring (GNOME Keyring, KDE Wallet)\n  ssod vault move file               a file that only you can read"
    )]
    Move {
        /// The key store for the new key.
        #[arg(value_enum, value_name = "KEYSTORE")]
        key_store: KeyStore,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum KeyStore {
    /// The desktop's keyring.
    SecretService,
    /// The kernel's keyring, which is in memory and empty after a reboot.
    Keyutils,
    /// The macOS keychain.
    Keychain,
    /// A file that only you can read.
    File,
}

impl fmt::Display for KeyStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::SecretService => "secret-service",
            Self::Keyutils => "keyutils",
            Self::Keychain => "keychain",
            Self::File => "file",
        })
    }
}

pub(crate) fn run(context: &Context, args: &VaultArgs) -> CommandResult<()> {
    let key_store = match &args.command {
        VaultCommand::Rekey => None,
        VaultCommand::Move { key_store } => Some(key_store.to_string()),
    };
    let result: Rekeyed =
        connection::connect(&context.paths)?.post("/v1/vault/rekey", &RekeyRequest { key_store })?;
    let store = &result.key_store;
    Ok(terminal::print(&if result.is_first {
        format!("The vault's key is in {store} now. You can sign in: ssod login\n")
    } else {
        format!("The vault has a new key, in {store}. You stay signed in.\n")
    })?)
}
