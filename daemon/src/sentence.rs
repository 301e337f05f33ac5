//! Formats error texts as sentences.

/// Returns the text with a capital at its start, and a full stop at its end unless it is a question.
pub(crate) fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    let rest = characters.as_str().trim_end_matches('.');
    let end = if rest.ends_with('?') { "" } else { "." };
    format!("{first}{rest}{end}")
}
