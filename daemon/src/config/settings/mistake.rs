//! A mistake in `config.toml`, in words.

/// A mistake in `config.toml`: the line, what is expected there, and how to fix it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong and what is expected, without a full stop.
    pub message: String,
    /// What the line should be, if that can be guessed: "did you mean port = 7746?"
    pub advice: Option<String>,
}

impl Mistake {
    /// Creates a mistake.
    pub(crate) fn new(line: usize, message: impl Into<String>, advice: Option<String>) -> Self {
        Self { line, message: message.into(), advice }
    }

    /// Returns what the user can do.
    pub fn remedy(&self) -> String {
        match &self.advice {
            Some(advice) => format!("Fix line {}: {advice}", self.line),
            None => format!("Fix line {}", self.line),
        }
    }
}

/// Returns the question whether the user meant one of these texts; `None` without texts.
pub(super) fn did_you_mean(texts: &[String]) -> Option<String> {
    (!texts.is_empty()).then(|| format!("did you mean {}?", texts.join(" or ")))
}

/// Returns the number of the line at that byte offset.
pub(super) fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// The lines of a text. Finding the line of an offset costs a search, not a pass over the text, so a file with many
/// settings costs no more than its size.
#[derive(Debug)]
pub(super) struct Lines(Vec<usize>);

impl Lines {
    /// Finds the lines of a text.
    pub(super) fn of(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect())
    }

    /// Returns the number of the line at that byte offset, from 1.
    pub(super) fn line_at(&self, offset: usize) -> usize {
        self.0.partition_point(|end| *end < offset) + 1
    }
}

/// Quotes a text of the user, with its control characters escaped and its end cut off if it is long.
pub(super) fn quote(text: &str) -> String {
    const MAX_LENGTH: usize = 64;
    let more = if text.chars().nth(MAX_LENGTH).is_some() { "…" } else { "" };
    format!("{:?}", text.chars().take(MAX_LENGTH).chain(more.chars()).collect::<String>())
}

/// Returns the name as a key of TOML.
pub(super) fn key(name: &str) -> String {
    let is_bare =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    if is_bare && name.len() <= 64 { name.to_owned() } else { quote(name) }
}

/// Joins texts to "a, b or c".
pub(super) fn join(texts: &[impl AsRef<str>], conjunction: &str) -> String {
    match texts {
        [] => String::new(),
        [only] => only.as_ref().to_owned(),
        [before @ .., last] => {
            let before: Vec<&str> = before.iter().map(AsRef::as_ref).collect();
            format!("{} {conjunction} {}", before.join(", "), last.as_ref())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_find_a_line_agree() {
        let text = "a\n\nbc\nd";
        let lines = Lines::of(text);
        for offset in 0..=text.len() + 1 {
            assert_eq!(lines.line_at(offset), line_at(text, offset), "{offset}");
        }
    }
}
