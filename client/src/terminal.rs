//! Prints results on stdout and everything else on stderr, with colour only on a terminal. Names, addresses and
//! messages come from files, servers and other programs, so nothing of them reaches the terminal that could control it:
//! this is the only place that prints them.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, IsTerminal, Write};
use std::sync::LazyLock;

use ssod_model::is_printable;

/// What is shown instead of a character that could control the terminal.
const REPLACEMENT: char = '?';
/// The codes of the styles that this module writes.
const STYLE_CODES: [&str; 6] = ["0", "1", "32", "33", "1;31", "30;107"];
const ESCAPE: &str = "\x1b[";

/// Makes the escape sequences of this module's styles recognisable until they are printed. No text that was written
/// before this process started can contain it. Its numbers have four digits, because the functions that measure the
/// width of a text do not take a longer one for a part of an escape sequence.
static STYLE_MARK: LazyLock<String> = LazyLock::new(|| {
    let random = RandomState::new().build_hasher().finish();
    let digits = format!("{random:020}");
    let groups: Vec<&str> = (0..5).filter_map(|group| digits.get(group * 4..group * 4 + 4)).collect();
    format!(";{}m", groups.join(";"))
});

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
    write_to_stdout(&printable(text))
}

/// Prints a result over the previous one, which had that many rows, so that earlier output stays.
pub(crate) fn print_over(rows: usize, text: &str) -> io::Result<()> {
    let up = if rows > 0 { format!("{ESCAPE}{rows}A\r") } else { String::new() };
    write_to_stdout(&format!("{up}{ESCAPE}J{}", printable(text)))
}

/// Prints a serialised result and a newline.
pub(crate) fn print_json(text: serde_json::Result<String>) -> io::Result<()> {
    write_to_stdout(&format!("{}\n", escape_json(&text?)))
}

/// Prints lines of JSON that a file has: unchanged, unless a terminal shows them.
pub(crate) fn print_json_lines(text: &str) -> io::Result<()> {
    if io::stdout().is_terminal() { write_to_stdout(&escape_json(text)) } else { write_to_stdout(text) }
}

/// Prints lines for a program, such as a shell that evaluates them: unchanged, unless a terminal shows them.
pub(crate) fn print_script(text: &str) -> io::Result<()> {
    if io::stdout().is_terminal() { print(text) } else { write_to_stdout(text) }
}

/// Prints a line for the user on stderr.
pub(crate) fn eprintln(text: &str) {
    // If stderr is closed, the error cannot be reported anywhere.
    let _ = writeln!(io::stderr().lock(), "{}", printable(text));
}

fn write_to_stdout(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Styles text that is printed on stdout.
pub(crate) fn stdout_style(style: Style, text: &str) -> String {
    apply(style, text, io::stdout().is_terminal())
}

/// Styles text that is printed on stderr.
pub(crate) fn stderr_style(style: Style, text: &str) -> String {
    apply(style, text, io::stderr().is_terminal())
}

/// Shows text in black on white, whatever the terminal's colours are.
pub(crate) fn black_on_white(text: &str) -> String {
    styled("30;107", text)
}

fn apply(style: Style, text: &str, is_terminal: bool) -> String {
    let code = match style {
        Style::Bold => "1",
        Style::Green => "32",
        Style::Yellow => "33",
        Style::Red => "1;31",
    };
    let use_style = is_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if use_style { styled(code, text) } else { text.to_owned() }
}

fn styled(code: &str, text: &str) -> String {
    let mark = STYLE_MARK.as_str();
    format!("{ESCAPE}{code}{mark}{text}{ESCAPE}0{mark}")
}

/// Returns the text as one line in which nothing can control the terminal; this module's styles stay.
pub(crate) fn one_line(text: &str) -> String {
    replace(text, |rest| match own_style(rest) {
        Some((_, length)) => (rest.get(..length).unwrap_or_default().to_owned(), length),
        None => (REPLACEMENT.to_string(), first_length(rest)),
    })
}

/// Returns the text as a terminal may get it: of its control characters, only line breaks, tabs and this module's
/// styles are kept.
fn printable(text: &str) -> String {
    replace(text, |rest| {
        if let Some((code, length)) = own_style(rest) {
            return (format!("{ESCAPE}{code}m"), length);
        }
        let shown = match rest.as_bytes() {
            [b'\n', ..] => "\n".to_owned(),
            [b'\t', ..] => "\t".to_owned(),
            // The line break of a file from Windows.
            [b'\r', b'\n', ..] => String::new(),
            _ => REPLACEMENT.to_string(),
        };
        (shown, first_length(rest))
    })
}

/// Replaces each part that begins with a character that is not printable. `shown` returns what is shown instead, and
/// how many bytes of the text that stands for.
fn replace(text: &str, shown: impl Fn(&str) -> (String, usize)) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|character| !is_printable(character)) {
        let (before, from) = rest.split_at(at);
        let (instead, length) = shown(from);
        result.push_str(before);
        result.push_str(&instead);
        rest = from.get(length..).unwrap_or_default();
    }
    result.push_str(rest);
    result
}

fn first_length(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

/// Returns the code and the length of the style with which the text begins, if this module has written it.
fn own_style(text: &str) -> Option<(&'static str, usize)> {
    let after = text.strip_prefix(ESCAPE)?;
    let mark = STYLE_MARK.as_str();
    let is_code = |code: &&str| after.strip_prefix(*code).is_some_and(|rest| rest.starts_with(mark));
    let code = STYLE_CODES.into_iter().find(is_code)?;
    Some((code, ESCAPE.len() + code.len() + mark.len()))
}

/// Writes the characters of a JSON text that could control a terminal as JSON's escapes, so that it stays the same
/// JSON.
fn escape_json(json: &str) -> String {
    replace(json, |rest| {
        let first = rest.chars().next().unwrap_or('\n');
        if first == '\n' {
            return ("\n".to_owned(), 1);
        }
        let units = first.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect();
        (units, first.len_utf8())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}31m\u{202e}b\r\u{8}\u{2066}";

    #[test]
    fn only_this_modules_styles_reach_the_terminal() {
        assert_eq!(printable(HOSTILE), "a?[2J?]0;t??31m?b???");
        let styled = styled("1;31", HOSTILE);
        assert_eq!(printable(&styled), "\u{1b}[1;31ma?[2J?]0;t??31m?b???\u{1b}[0m");
        assert_eq!(printable("\u{1b}[32mgreen\u{1b}[0m"), "?[32mgreen?[0m", "not this module's style");
        assert_eq!(printable("a\tb\r\nc\n"), "a\tb\nc\n");
        assert_eq!(printable("é中…\u{1f600}"), "é中…\u{1f600}");
    }

    #[test]
    fn one_line_stays_one_line_and_keeps_styles_for_the_print() {
        assert_eq!(one_line("a\nerror: b\u{1b}[2J"), "a?error: b?[2J");
        assert_eq!(printable(&one_line(&styled("32", "ok\n"))), "\u{1b}[32mok?\u{1b}[0m");
    }

    proptest::proptest! {
        #[test]
        fn no_text_controls_the_terminal(
            text in "(\\PC|[\u{0}-\u{20}\u{7f}-\u{9f}\u{200b}-\u{202e}]|\u{1b}\\[(0|1|32);?[0-9]{0,4}m){0,24}"
        ) {
            let harmless = |character: char| is_printable(character) || matches!(character, '\n' | '\t');
            proptest::prop_assert!(printable(&text).chars().all(harmless));
            proptest::prop_assert!(one_line(&text).chars().all(is_printable));
            let json = serde_json::to_string(&text).unwrap();
            proptest::prop_assert_eq!(serde_json::from_str::<String>(&escape_json(&json)).unwrap(), text);
        }
    }

    #[test]
    fn escaped_json_is_the_same_json() {
        let json = serde_json::to_string(&[HOSTILE, "\u{e0041}", "plain"]).unwrap();
        let escaped = escape_json(&json);
        assert!(escaped.chars().all(is_printable), "{escaped:?}");
        assert_eq!(
            serde_json::from_str::<Vec<String>>(&escaped).unwrap(),
            serde_json::from_str::<Vec<String>>(&json).unwrap()
        );
    }
}
