//! `ssod vault rekey` and `ssod vault move`.

use ssod_control::{RekeyRequest, Rekeyed};

use super::Context;
use crate::cli::{Vault, VaultCommand};
use crate::failure::Outcome;
use crate::{daemon, terminal};

pub(crate) fn run(context: &Context, command: &Vault) -> Outcome<()> {
    let key_store = match &command.command {
        VaultCommand::Rekey => None,
        VaultCommand::Move { key_store } => Some(key_store.to_string()),
    };
    let done: Rekeyed =
        daemon::connect(&context.paths)?.post("/v1/vault/rekey", &RekeyRequest { key_store })?;
    Ok(terminal::print(&format!(
        "The vault has a new key, in {}; nobody need sign in again.\n",
        done.key_store
    ))?)
}
