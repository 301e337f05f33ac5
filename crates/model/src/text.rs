//! Text from files, servers and programs, which must not control the terminal, the notice or the log that shows it.

/// The characters, besides control characters, that change how others are shown or are themselves invisible: Unicode's
/// categories Cf (format, with the marks that reverse the direction), Zl and Zp, and the letters that have no glyph.
const DECEPTIVE: [(char, char); 24] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e007f}'),
];

/// Returns whether a terminal shows the character as it is, without an effect on the characters around it.
pub fn is_printable(character: char) -> bool {
    if character.is_ascii() {
        return !character.is_ascii_control();
    }
    let is_in = |(first, last): &(char, char)| (*first..=*last).contains(&character);
    !character.is_control() && !DECEPTIVE.iter().any(is_in)
}

/// Returns the text with a question mark for each character that is not printable.
pub fn printable(text: &str) -> String {
    text.chars().map(|character| if is_printable(character) { character } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_format_characters_are_not_printable() {
        for character in
            "\0\t\n\r\u{1b}\u{7f}\u{85}\u{9b}\u{200e}\u{202e}\u{2066}\u{2069}\u{61c}\u{feff}\u{e0041}".chars()
        {
            assert!(!is_printable(character), "{character:?}");
        }
        for character in " a~é中\u{5d0}\u{1f600}\u{fe0f}…".chars() {
            assert!(is_printable(character), "{character:?}");
        }
        assert_eq!(printable("a\u{1b}[2J\n\u{202e}é"), "a?[2J??é");
        assert!(DECEPTIVE.is_sorted() && DECEPTIVE.iter().all(|(first, last)| first <= last));
    }
}
