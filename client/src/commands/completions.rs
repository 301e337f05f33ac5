//! `ssod completions`.

use clap::Args;
use clap_complete::env::Shells;

use crate::error::{CommandError, CommandResult};
use crate::quoting::{quote_elvish, quote_powershell, quote_sh};
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
    /// The path of ssod in the script; by default that of this program.
    #[arg(long, hide = true)]
    program: Option<String>,
}

/// Stands for the program in the script until its place there is known.
const PLACEHOLDER: &str = "__ssod_program__";

pub(crate) fn run(args: &CompletionsArgs) -> CommandResult<()> {
    let shells = Shells::builtins();
    let Some(shell) = shells.completer(&args.shell) else {
        let known = shells.names().collect::<Vec<_>>().join(", ");
        return Err(CommandError::usage(format!("ssod has no completions for {}.", args.shell))
            .hint(format!("Supported shells: {known}")));
    };
    let program = match &args.program {
        Some(program) => program.clone(),
        None => own_program()?,
    };
    // clap quotes the program rightly only for fish, where the script is parsed twice.
    let registered = if shell.name() == "fish" { program.as_str() } else { PLACEHOLDER };
    let mut script = Vec::new();
    shell.write_registration(completers::VARIABLE, "ssod", "ssod", registered, &mut script)?;
    let script = insert_program(shell.name(), &String::from_utf8_lossy(&script), &program);
    Ok(terminal::print_script(&script)?)
}

fn own_program() -> CommandResult<String> {
    let program = std::env::current_exe()?.into_os_string().into_string();
    let program = program.ok().filter(|path| !path.contains(char::is_control));
    program.ok_or_else(|| {
        CommandError::new("The path of this program has characters that no script can contain.")
    })
}

/// Returns the script with the program instead of the placeholder, quoted as its place in the script needs it.
fn insert_program(shell: &str, script: &str, program: &str) -> String {
    match shell {
        // In double quotes, in which no other quotes have a meaning, so they are replaced, too.
        "bash" => script.replace(&format!("\"{PLACEHOLDER}\""), &quote_sh(program)),
        "zsh" => script.replace(PLACEHOLDER, &quote_sh(program)),
        "elvish" => script.replace(PLACEHOLDER, &quote_elvish(program)),
        // In a here-string, which PowerShell expands before it evaluates the result.
        "powershell" => {
            let quoted = quote_powershell(program).replace('`', "``").replace('$', "`$");
            script.replace(PLACEHOLDER, &quoted)
        }
        _ => script.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_has_the_program_as_one_quoted_word() {
        let program = "/opt/it's $(touch X) `x`/ssod";
        for (shell, word) in [
            ("bash", "'/opt/it'\\''s $(touch X) `x`/ssod' -- "),
            ("zsh", "'/opt/it'\\''s $(touch X) `x`/ssod' -- "),
            ("elvish", "'/opt/it''s $(touch X) `x`/ssod' -- "),
            ("powershell", "& '/opt/it''s `$(touch X) ``x``/ssod' -- "),
            ("fish", r"'/opt/it\\'s \$(touch X) `x`/ssod' -- "),
        ] {
            let shells = Shells::builtins();
            let completer = shells.completer(shell).unwrap();
            let registered = if shell == "fish" { program } else { PLACEHOLDER };
            let mut script = Vec::new();
            completer.write_registration("V", "ssod", "ssod", registered, &mut script).unwrap();
            let script = insert_program(shell, &String::from_utf8(script).unwrap(), program);
            assert!(script.contains(word), "{shell}: {script}");
            assert!(!script.contains(PLACEHOLDER), "{shell}: {script}");
        }
    }
}
