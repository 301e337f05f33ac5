//! Reports a command line that clap rejects, as one sentence and one hint like every other error.

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory, Error};

use crate::commands::Cli;
use crate::error::CommandError;

/// Prints the error, or the help or version that the user asked for, and returns the exit status.
pub(crate) fn report(error: &Error) -> ExitCode {
    let is_help = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if is_help || !error.use_stderr() {
        // If the output is closed, the error cannot be reported anywhere.
        let _ = error.print();
        return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
    }
    CommandError::usage(sentence(error)).hint(hint(error)).report()
}

/// Returns clap's own sentence, which is the first paragraph of its message and may continue in indented lines.
fn sentence(error: &Error) -> String {
    let text = error.to_string();
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let words = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    let words = words.strip_prefix("error: ").unwrap_or(&words);
    let mut characters = words.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    let end = if words.ends_with('.') { "" } else { "." };
    format!("{}{end}", first.into_iter().chain(characters).collect::<String>())
}

/// Returns the names that the user may have meant, else the usage if an argument is missing or superfluous, else where
/// to find the help.
fn hint(error: &Error) -> String {
    let similar = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    let similar = similar.into_iter().flat_map(|kind| values(error, kind)).rev().collect::<Vec<_>>();
    if !similar.is_empty() {
        return format!("Did you mean {}?", similar.join(" or "));
    }
    let is_positional =
        || values(error, ContextKind::InvalidArg).iter().any(|argument| !argument.starts_with('-'));
    let shows_usage = matches!(error.kind(), ErrorKind::MissingRequiredArgument | ErrorKind::UnknownArgument)
        && is_positional();
    match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) if shows_usage => usage.to_string(),
        _ => format!("See: {} --help", command_path(&Cli::command(), std::env::args().skip(1))),
    }
}

fn values(error: &Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(value)) => vec![value.clone()],
        Some(ContextValue::Strings(values)) => values.clone(),
        _ => Vec::new(),
    }
}

/// Returns the command that the arguments select, such as `ssod vault move`.
fn command_path(root: &Command, arguments: impl Iterator<Item = String>) -> String {
    let mut path = root.get_name().to_owned();
    let mut command = root;
    for argument in arguments {
        if let Some(subcommand) = command.find_subcommand(&argument) {
            path = format!("{path} {}", subcommand.get_name());
            command = subcommand;
        }
    }
    path
}
