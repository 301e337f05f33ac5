//! The rules of Python's configparser and botocore, ported line by line, against ours.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{EditError, SectionEdit, edit_sections};

/// What botocore reads: the values of each section, by the text in its header.
type Sections = BTreeMap<String, BTreeMap<String, String>>;

/// `RawConfigParser._read` of Python 3.11, and `raw_config_parse` of botocore. `None` if either raises an exception.
fn configparser(text: &str) -> Option<Sections> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut sections: BTreeMap<String, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    let (mut section, mut option, mut indent_level): (Option<String>, Option<String>, usize) =
        (None, None, 0);
    let mut failed = false;
    for line in text.split('\n') {
        let value = strip(line);
        if value.starts_with(['#', ';']) {
            continue;
        }
        let current = section.clone().zip(option.clone());
        if value.is_empty() {
            if let Some((section, option)) = current {
                sections.get_mut(&section)?.get_mut(&option)?.push(String::new());
            }
            continue;
        }
        let indent = line.chars().take_while(|character| is_space(*character)).count();
        if let Some((section, option)) = current.filter(|_| indent > indent_level) {
            sections.get_mut(&section)?.get_mut(&option)?.push(value.to_owned());
            continue;
        }
        indent_level = indent;
        let header = value.strip_prefix('[').and_then(|rest| Some(&rest[..rest.rfind(']')?]));
        if let Some(name) = header.filter(|name| !name.is_empty()) {
            if sections.insert(name.to_owned(), BTreeMap::new()).is_some() {
                return None;
            }
            (section, option) = (Some(name.to_owned()), None);
            continue;
        }
        let in_section = sections.get_mut(&section.clone()?)?;
        match value.find(['=', ':']) {
            Some(at) if at > 0 => {
                let key = strip(&value[..at]).to_lowercase();
                let values = vec![strip(&value[at + 1..]).to_owned()];
                if in_section.insert(key.clone(), values).is_some() {
                    return None;
                }
                option = Some(key);
            }
            _ => failed = true,
        }
    }
    (!failed).then(|| nested(sections))?
}

/// botocore's `_parse_nested`: it fails if a line below an empty value has no `=`.
fn nested(sections: BTreeMap<String, BTreeMap<String, Vec<String>>>) -> Option<Sections> {
    let join = |lines: Vec<String>| {
        let value = lines.join("\n").trim_end_matches(is_space).to_owned();
        let mut below = value.strip_prefix('\n').unwrap_or_default().lines().filter(|line| !line.is_empty());
        below.all(|line| line.contains('=')).then_some(value)
    };
    let section = |values: BTreeMap<String, Vec<String>>| {
        values.into_iter().map(|(key, lines)| Some((key, join(lines)?))).collect::<Option<_>>()
    };
    sections.into_iter().map(|(name, values)| Some((name, section(values)?))).collect()
}

fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Returns the same of our own reading.
fn ours(text: &str) -> Option<Sections> {
    let document = Document::parse(text);
    let reading = Reading::of(&document);
    let owned = |(key, value): (&&str, &String)| ((*key).to_owned(), value.clone());
    let sections = reading.sections.iter().filter(|section| section.section.is_some());
    let sections = sections.map(|one| (one.name.to_owned(), one.values.iter().map(owned).collect()));
    reading.refusal.is_none().then(|| sections.collect())
}

/// Files of all shapes: indented, with colons, with lines of other tools, with mistakes.
fn files() -> impl Strategy<Value = String> {
    let header = prop_oneof![
        Just("[profile a]"),
        Just("[profile b]"),
        Just("[profile \"a\"]"),
        Just("[profile a-[b]/c]"),
        Just("[default]"),
        Just("[sso-session s] ; why"),
        Just("[profile c] # see [d]"),
        Just("[tool"),
        Just("[]"),
    ];
    let setting = ("[k-n]|sso_region|[K]", "( ?= ?|: ?)", "(|v|w # c|x = y|\\[profile b\\])");
    let setting = setting.prop_map(|(key, delimiter, value)| format!("{key}{delimiter}{value}"));
    let other = prop_oneof![Just(""), Just("# c"), Just("; c"), Just("word"), Just("= x"), Just(": x")];
    let content = prop_oneof![
        3 => header.prop_map(str::to_owned),
        6 => setting,
        2 => other.prop_map(str::to_owned),
    ];
    let line = ("(|||  |    |\t)", content, "(\n|\n|\n|\r\n|\r)");
    let line = line.prop_map(|(indent, content, end)| format!("{indent}{content}{end}"));
    (prop::collection::vec(line, 0..14), any::<bool>()).prop_map(|(lines, is_cut)| {
        let text = lines.concat();
        if is_cut { text.trim_end_matches(['\n', '\r']).to_owned() } else { text }
    })
}

fn comments(text: &str) -> Vec<String> {
    let document = Document::parse(text);
    let comments = document.lines.iter().filter(|line| line.kind == LineKind::Comment);
    comments.map(|line| line.text.trim().to_owned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn we_read_what_configparser_reads_and_refuse_what_it_refuses(text in files()) {
        prop_assert_eq!(ours(&text), configparser(&text));
    }

    #[test]
    fn an_edit_changes_only_what_it_should_and_the_file_stays_readable(
        text in files(),
        name in "[abz]",
        remove in "[lm]",
    ) {
        let section = Section::Profile(name.clone());
        let session = Section::SsoSession("s".to_owned());
        let set = vec![("k", "new".to_owned()), ("sso_region", "us-east-1".to_owned())];
        let edits = [
            SectionEdit { section, set: set.clone(), remove: &[&remove] },
            SectionEdit { section: session, set: set.clone(), remove: &[] },
        ];
        let edited = edit_sections(&text, &edits).unwrap();
        prop_assert_eq!(&edit_sections(&edited, &edits).unwrap(), &edited, "a second edit changes the file");
        let is_edited = |header: &str| {
            header.starts_with("sso-session s") || header == format!("profile {name}")
                || header == format!("profile \"{name}\"")
        };
        if let Some(before) = configparser(&text) {
            let after = configparser(&edited).expect("the AWS CLI cannot read the file any more");
            let others = |sections: &Sections| -> Sections {
                sections.clone().into_iter().filter(|(header, _)| !is_edited(header)).collect()
            };
            prop_assert_eq!(others(&before), others(&after));
            let has_set = |values: &BTreeMap<String, String>| {
                set.iter().all(|(key, value)| values.get(*key) == Some(value))
            };
            let edited = after.iter().filter(|(header, values)| is_edited(header) && has_set(values));
            prop_assert_eq!(edited.count(), 2, "{:?}", after);
        }
        let (before, mut after) = (comments(&text), comments(&edited).into_iter());
        for comment in before {
            prop_assert!(after.any(|one| one == comment), "{comment:?} is gone from {edited:?}");
        }
    }

    #[test]
    fn a_value_that_would_break_the_file_is_not_written(
        text in files(),
        value in "(v|\n|\\[profile b\\]|k = x|word| |# c){0,4}",
    ) {
        let section = Section::Profile("a".to_owned());
        let edits = [SectionEdit { section, set: vec![("k", value.clone())], remove: &[] }];
        match edit_sections(&text, &edits) {
            Ok(edited) if configparser(&text).is_some() => {
                let after = configparser(&edited).expect("the AWS CLI cannot read the file any more");
                prop_assert!(after.values().any(|values| values.get("k") == Some(&value)), "{:?}", after);
            }
            Ok(_) | Err(EditError::NotSet(_) | EditError::OtherSection(_) | EditError::Unreadable(_)) => {}
        }
    }
}
