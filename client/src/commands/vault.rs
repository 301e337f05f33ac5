//! `ssod vault rekey` and `ssod vault move`.

use std::fmt;

use clap::{Args, Subcommand, ValueEnum};
use ssod_control::{RekeyRequest, Rekeyed};

use crate::context::CommandContext;
use crate::error::CommandResult;
use crate::{connection, terminal};

/// Replace the key that encrypts ssod's files on disk.
///
/// ssod encrypts its tokens and cached credentials on disk. Both commands encrypt these files again with a new key. You
/// stay signed in, and ssod continues to serve requests.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  ssod vault rekey                   replace the key, for example after it was exposed\n  ssod vault move secret-service     keep the key in the desktop's keyring"
)]
pub(crate) struct VaultArgs {
    #[command(subcommand)]
    command: VaultCommand,
}

#[derive(Subcommand)]
enum VaultCommand {
    /// Create a new key in the same key store, and delete the old key.
    Rekey,
    /// Create a new key in another key store, and delete the old key.
    #[command(
        after_help = "Examples:\n  ssod vault move secret-service     the desktop's keyring (GNOME Keyring, KDE Wallet)\n  ssod vault move file               a file beside the encrypted files"
    )]
    Move {
        /// The key store for the new key.
        #[arg(value_enum, value_name = "KEY_STORE")]
        key_store: KeyStoreChoice,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum KeyStoreChoice {
    /// The desktop's keyring (GNOME Keyring, KDE Wallet).
    SecretService,
    /// The Linux kernel's keyring. It is in memory, so you must sign in again after a reboot.
    Keyutils,
    /// The macOS keychain.
    Keychain,
    /// A file beside the encrypted files. Only your user can read it, but a copy of the folder contains both.
    File,
}

impl fmt::Display for KeyStoreChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::SecretService => "secret-service",
            Self::Keyutils => "keyutils",
            Self::Keychain => "keychain",
            Self::File => "file",
        })
    }
}

pub(crate) fn run(context: &CommandContext, args: &VaultArgs) -> CommandResult<()> {
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
