//! `ssod man`: writes the man pages, which are generated from the definitions of the help.

use std::path::PathBuf;

use clap::{Args, Command};

use crate::error::{CommandError, CommandResult};

/// Write the man pages to a folder.
#[derive(Args)]
pub(crate) struct ManArgs {
    /// The folder for the man pages; it is created if it is missing.
    #[arg(value_hint = clap::ValueHint::Other)]
    folder: PathBuf,
}

pub(crate) fn run(args: &ManArgs, command: Command) -> CommandResult<()> {
    let folder = &args.folder;
    let write = || {
        std::fs::create_dir_all(folder)?;
        clap_mangen::generate_to(command, folder)
    };
    write().map_err(|error| {
        CommandError::new(format!("Cannot write the man pages to {}: {error}.", folder.display()))
    })
}
