//! `ssod completions`.

use clap::Args;
use clap_complete::env::Shells;

use crate::error::{CommandError, CommandResult};
use crate::{completers, terminal};

/// Print a completion script for your shell, which also completes profile names.
///
/// Put the line for your shell into its startup file, as in these examples.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  eval \"$(ssod completions bash)\"       in ~/.bashrc\n  eval \"$(ssod completions zsh)\"        in ~/.zshrc\n  ssod completions fish | source        in ~/.config/fish/config.fish"
)]
pub(crate) struct CompletionsArgs {
    /// Your shell: bash, zsh, fish, elvish or powershell.
    shell: String,
}

pub(crate) fn run(args: &CompletionsArgs) -> CommandResult<()> {
    let shells = Shells::builtins();
    let Some(shell) = shells.completer(&args.shell) else {
        let known = shells.names().collect::<Vec<_>>().join(", ");
        return Err(CommandError::usage(format!("ssod has no completions for {}.", args.shell))
            .hint(format!("Supported shells: {known}")));
    };
    let program = std::env::current_exe()?;
    let program =
        program.to_str().ok_or_else(|| CommandError::new("The path of this program is not valid UTF-8."))?;
    let mut script = Vec::new();
    shell.write_registration(completers::VARIABLE, "ssod", "ssod", program, &mut script)?;
    Ok(terminal::print_script(&String::from_utf8_lossy(&script))?)
}
