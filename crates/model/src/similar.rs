//! "Did you mean": the known names that a misspelled name most likely means.

/// The maximum number of characters that a misspelled name can differ in.
const MAX_DIFFERENCES: usize = 3;
/// One difference is accepted for each that many characters.
const CHARACTERS_PER_DIFFERENCE: usize = 3;
/// The minimum length of a beginning that stands for the whole name.
const MIN_BEGINNING: usize = 3;
/// The maximum number of suggestions.
const MAX_SUGGESTIONS: usize = 2;
/// A longer text is no misspelled name, and comparing it with thousands of names would take long.
const MAX_LENGTH: usize = 64;

/// How close a known name is; the smallest is the closest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Closeness {
    /// The number of characters that differ.
    Differences(usize),
    /// The known name begins with the text.
    Beginning,
}

/// Returns the one or two known names that are closest to a misspelled name. It returns none if no known name is close,
/// or if so many are equally close that a suggestion would be a guess.
///
/// Case, hyphens, underscores, dots and spaces count as no difference. Otherwise one difference is accepted for each
/// three characters, and three at most; or the name may be the beginning of a known one.
pub fn similar_names<'a>(misspelled: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let mut closest: Option<Closeness> = None;
    let mut names = Vec::new();
    let Some(misspelled) = comparable(misspelled) else { return names };
    for name in known {
        let Some(closeness) = comparable(name).and_then(|known| closeness(&misspelled, &known)) else {
            continue;
        };
        if closest.is_none_or(|closest| closeness < closest) {
            closest = Some(closeness);
            names.clear();
        }
        if closest == Some(closeness) && !names.contains(&name) {
            names.push(name);
        }
    }
    if names.len() > MAX_SUGGESTIONS {
        names.clear();
    }
    names
}

/// Returns the question for the user; `None` without names.
pub fn did_you_mean<T: AsRef<str>>(names: &[T]) -> Option<String> {
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{}\"", name.as_ref())).collect();
    (!quoted.is_empty()).then(|| format!("Did you mean {}?", quoted.join(" or ")))
}

/// Returns the text without case and separators; `None` if it is too long for a name that a user types.
fn comparable(text: &str) -> Option<String> {
    if text.chars().nth(MAX_LENGTH).is_some() {
        return None;
    }
    let letters = text.chars().filter(|letter| !['-', '_', '.', ' '].contains(letter));
    Some(letters.flat_map(char::to_lowercase).collect())
}

fn closeness(misspelled: &str, known: &str) -> Option<Closeness> {
    let lengths = [misspelled, known].map(|text| text.chars().count());
    let longest = lengths.into_iter().max()?;
    let accepted = (longest / CHARACTERS_PER_DIFFERENCE).min(MAX_DIFFERENCES);
    // At least as many characters differ as one text is longer.
    if lengths[0].abs_diff(lengths[1]) <= accepted {
        let differences = strsim::osa_distance(misspelled, known);
        if differences <= accepted {
            return Some(Closeness::Differences(differences));
        }
    }
    let is_beginning = lengths[0] >= MIN_BEGINNING && known.starts_with(misspelled);
    is_beginning.then_some(Closeness::Beginning)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn similar<'a>(misspelled: &str, known: &[&'a str]) -> Vec<&'a str> {
        similar_names(misspelled, known.iter().copied())
    }

    #[test]
    fn a_close_name_is_suggested() {
        for (misspelled, known) in [
            ("readonlyuser", "readOnlyUser"),
            ("read-only-user", "readOnlyUser"),
            ("raedOnlyUser", "readOnlyUser"),
            ("readOnlyUsr", "readOnlyUser"),
            ("adminUsers", "adminUser"),
            ("admin", "adminUser"),
            ("prot", "port"),
            ("refesh", "refresh"),
            ("flie", "file"),
            ("keep-fresh", "keep_fresh"),
            ("dve", "dev"),
            ("ÄDMIN", "ädmin"),
        ] {
            assert_eq!(similar(misspelled, &[known, "somethingElse"]), [known], "{misspelled}");
        }
    }

    #[test]
    fn a_distant_name_is_not_suggested() {
        for (misspelled, known) in [
            ("", "dev"),
            ("d", "dev"),
            ("de", "dev2"),
            ("prod", "dev"),
            ("de", "fg"),
            ("adminUser", "readOnlyUser"),
            ("sso-session-adminUser", "sso-session-readOnlyUser"),
            ("adminUser", "admin"),
            ("amdni", "admin"),
            ("floppy", "file"),
        ] {
            assert!(similar(misspelled, &[known]).is_empty(), "{misspelled} {known}");
        }
        let long = "a".repeat(70);
        assert!(similar(&long, &[&long]).is_empty());
    }

    #[test]
    fn the_limit_is_one_difference_for_each_three_characters_and_three_at_most() {
        for length in 1..30 {
            let known: String = ('a'..='z').cycle().take(length).collect();
            let limit = (length / 3).min(3);
            for differences in 0..=length {
                let misspelled: String = "9".repeat(differences) + &known[differences..];
                let expected = if differences <= limit { vec![known.as_str()] } else { Vec::new() };
                assert_eq!(similar(&misspelled, &[&known]), expected, "{misspelled} {known}");
            }
        }
    }

    #[test]
    fn only_the_closest_are_suggested_and_two_at_most() {
        assert_eq!(similar("adminUsr", &["adminUser", "adminUsers"]), ["adminUser"]);
        assert_eq!(similar("prod", &["prod-admin", "dev", "prod-reader"]), ["prod-admin", "prod-reader"]);
        assert_eq!(similar("dev0", &["dev1", "dev2"]), ["dev1", "dev2"]);
        assert!(similar("dev0", &["dev1", "dev2", "dev3"]).is_empty());
        assert_eq!(similar("dve", &["dev", "dev"]), ["dev"], "a session may have the name of a profile");
    }

    #[test]
    fn the_question_quotes_the_names() {
        assert_eq!(did_you_mean::<&str>(&[]), None);
        assert_eq!(did_you_mean(&["a"]).unwrap(), "Did you mean \"a\"?");
        assert_eq!(did_you_mean(&["a", "b"]).unwrap(), "Did you mean \"a\" or \"b\"?");
    }
}
