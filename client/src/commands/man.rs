//! `ssod man`: the man pages, from the same definitions as the help.

use clap::CommandFactory;

use crate::cli::{Cli, Man};
use crate::failure::{Failure, Outcome};

pub(crate) fn run(command: &Man) -> Outcome<()> {
    let folder = &command.folder;
    let write = || {
        std::fs::create_dir_all(folder)?;
        clap_mangen::generate_to(Cli::command(), folder)
    };
    write()
        .map_err(|error| Failure::new(format!("Cannot write man pages into {}: {error}.", folder.display())))
}
