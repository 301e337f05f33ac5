//! Writes a text as one word of a shell, so that nothing in it is interpreted.

/// Quotes for sh, bash and zsh.
pub(crate) fn quote_sh(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Quotes for fish.
pub(crate) fn quote_fish(text: &str) -> String {
    format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'"))
}

/// Quotes for elvish.
pub(crate) fn quote_elvish(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Quotes for PowerShell, which treats typographic quotes as plain ones.
pub(crate) fn quote_powershell(text: &str) -> String {
    let doubled: String = text
        .chars()
        .flat_map(|character| {
            let times = if matches!(character, '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}') {
                2
            } else {
                1
            };
            std::iter::repeat_n(character, times)
        })
        .collect();
    format!("'{doubled}'")
}

/// Writes a backslash before each character that bash could interpret. The result means the same text outside of
/// quotes, and nothing in it is interpreted inside of quotes either, where a user may have begun the word.
pub(crate) fn escape_bash(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        let is_inert = if escaped.is_empty() { can_begin(character) } else { is_inert_character(character) };
        // No other character than those of ASCII has a meaning for bash.
        if character.is_ascii() && !is_inert {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// Returns whether the text is one word that no shell interprets, quoted or not: bash, zsh, fish, PowerShell and
/// elvish.
pub(crate) fn is_inert(text: &str) -> bool {
    text.chars().next().is_some_and(can_begin) && text.chars().all(is_inert_character)
}

/// At the beginning of a word, some of the other characters have a meaning: `-` an option, `~` and `%` in some shells.
fn can_begin(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '/' | '.')
}

fn is_inert_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_-./:@%+".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_words_are_inert() {
        for name in ["adminUser", "a", "123456789012/Admin-Role.x", "a@b", "a%b", "a+b:c", "_x"] {
            assert!(is_inert(name), "{name}");
            assert_eq!(escape_bash(name), name);
        }
        for name in [
            "",
            "-rf",
            "~root",
            "@x",
            "%1",
            "+x",
            "a b",
            "zz$(touch X)",
            "`x`",
            "a;b",
            "a&b",
            "a|b",
            "a'b",
            "a\"b",
            "a\\b",
            "a*",
            "a?",
            "[a]",
            "{a,b}",
            "a,b",
            "=ls",
            "a=b",
            "a#b",
            "a!b",
            "a^b",
            "<a",
            ">a",
            "é",
            "a\nb",
            "\u{2018}",
        ] {
            assert!(!is_inert(name), "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_quoted_text_is_one_word_with_the_same_meaning(text in "[ -~é\u{2018}]{1,24}") {
            for quoted in [quote_sh(&text), escape_bash(&text)] {
                proptest::prop_assert_eq!(shlex::split(&quoted), Some(vec![text.clone()]), "{}", quoted);
            }
            if is_inert(&text) {
                proptest::prop_assert_eq!(escape_bash(&text), text);
            }
        }
    }

    #[test]
    fn each_shell_has_its_own_quotes() {
        assert_eq!(quote_sh("it's $x"), r"'it'\''s $x'");
        assert_eq!(quote_fish(r"it's \ $x"), r"'it\'s \\ $x'");
        assert_eq!(quote_elvish("it's $x"), "'it''s $x'");
        assert_eq!(quote_powershell("it's \u{2019}$x"), "'it''s \u{2019}\u{2019}$x'");
        assert_eq!(escape_bash("zz$(touch X)"), r"zz\$\(touch\ X\)");
        assert_eq!(escape_bash("-é~"), r"\-é\~");
    }
}
