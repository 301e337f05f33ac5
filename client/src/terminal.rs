//! Prints results on stdout and everything else on stderr, with colour only on a terminal.

use std::io::{self, IsTerminal, Write};

/// The style of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Bold,
    Green,
    Yellow,
    Red,
}

/// Returns whether questions are allowed and possible, which needs stdin and stderr to be a terminal.
pub(crate) fn is_interactive(no_input: bool) -> bool {
    !no_input && io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Prints a result. A closed pipe is an error, not a panic.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Prints a serialised result and a newline.
pub(crate) fn print_json(text: serde_json::Result<String>) -> io::Result<()> {
    print(&format!("{}\n", text?))
}

/// Prints a line for the user on stderr.
pub(crate) fn eprintln(text: &str) {
    // If stderr is closed, the error cannot be reported anywhere.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Styles text that is printed on stdout.
pub(crate) fn stdout_style(style: Style, text: &str) -> String {
    apply(style, text, io::stdout().is_terminal())
}

/// Styles text that is printed on stderr.
pub(crate) fn stderr_style(style: Style, text: &str) -> String {
    apply(style, text, io::stderr().is_terminal())
}

fn apply(style: Style, text: &str, is_terminal: bool) -> String {
    let code = match style {
        Style::Bold => "1",
        Style::Green => "32",
        Style::Yellow => "33",
        Style::Red => "1;31",
    };
    let use_style = is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if use_style { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}
