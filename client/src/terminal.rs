//! What is printed where: results on stdout, all else on stderr; colour only where a person looks.

use std::io::{self, IsTerminal, Write};

/// Whether a person can be asked: both ends are a terminal.
pub(crate) fn is_interactive(no_input: bool) -> bool {
    !no_input && io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Prints a result; a pipe that nobody reads any more is an error, not a panic.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Prints a line for the person.
pub(crate) fn warn(text: &str) {
    // There is nowhere to report that stderr is closed.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

pub(crate) fn red(text: &str) -> String {
    paint(io::stderr().is_terminal(), "1;31", text)
}

pub(crate) fn bold(text: &str) -> String {
    paint(io::stderr().is_terminal(), "1", text)
}

/// Colour for stdout.
pub(crate) fn green(text: &str) -> String {
    paint(io::stdout().is_terminal(), "32", text)
}

/// Colour for stdout.
pub(crate) fn yellow(text: &str) -> String {
    paint(io::stdout().is_terminal(), "33", text)
}

/// Colour for stdout.
pub(crate) fn red_result(text: &str) -> String {
    paint(io::stdout().is_terminal(), "1;31", text)
}

fn paint(is_terminal: bool, code: &str, text: &str) -> String {
    let wanted = is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if wanted { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}
