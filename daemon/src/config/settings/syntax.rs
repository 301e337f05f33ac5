//! What the user reads if `config.toml` is not TOML. The parser's own words name tokens of its grammar, so the line is
//! described here instead.

use toml::de::{DeTable, DeValue, Error};

use super::file;
use super::mistake::{Mistake, did_you_mean, key, line_at};
use super::value::meant_switch;

/// A longer line is not repeated as a suggestion.
const MAX_SUGGESTION: usize = 80;
/// The beginning of a value with more lines than this is not searched for, because each line costs a parse of the file.
const MAX_VALUE_LINES: usize = 100;
/// How many bytes each of the two searches may parse, so that a large file with a mistake is explained quickly, too.
const MAX_PARSED_BYTES: usize = 2 * 1024 * 1024;
/// The quotation marks that word processors and web pages use.
const QUOTATION_MARKS: [char; 9] = ['"', '\'', '“', '”', '„', '‘', '’', '«', '»'];

/// Describes the mistake that makes the text invalid TOML. `is_right` says whether a text's last line is free of
/// mistakes; a corrected line is suggested only if it is.
pub(super) fn explain(text: &str, error: &Error, is_right: impl Fn(&str) -> bool) -> Mistake {
    let lines: Vec<&str> = text.lines().collect();
    let reported = line_at(text, error.span().map_or(0, |span| span.start)).clamp(1, lines.len().max(1));
    let (before, line) = parts(&lines, reported);
    if let Some(repeated) = repeated(&before, line) {
        return Mistake::new(reported, repeated.message, Some(repeated.advice));
    }
    let start = start_of_unfinished(&lines, reported);
    if start < reported
        && !is_statement(line)
        && error.span().is_some_and(|span| span.start < text.trim_end().len())
    {
        return wrong_item(&lines, start, reported, is_right);
    }
    let suggest = |number: usize| {
        let (before, line) = parts(&lines, number);
        let is_better = |corrected: &String| corrected != line && is_right(&format!("{before}{corrected}\n"));
        corrections(line).into_iter().take(attempts(text.len())).find(is_better)
    };
    // A list or a text that does not end makes a later line invalid.
    let corrected = suggest(start);
    if start < reported && corrected.is_none() {
        return Mistake::new(start, "the text or list that begins here does not end", None);
    }
    let corrected = corrected.filter(|corrected| may_be_shown(corrected));
    Mistake::new(start, describe(parts(&lines, start).1), did_you_mean(&Vec::from_iter(corrected)))
}

/// Describes a line inside a list that begins in an earlier line.
fn wrong_item(lines: &[&str], start: usize, number: usize, is_right: impl Fn(&str) -> bool) -> Mistake {
    let (before, line) = parts(lines, number);
    let item = line.trim_end_matches([',', ';']).trim_matches(QUOTATION_MARKS);
    let corrected = Some(format!("\"{item}\",")).filter(|corrected| may_be_shown(corrected));
    let corrected = corrected.filter(|corrected| is_right(&format!("{before}{corrected}]\n")));
    let message = format!(
        "the value that begins in line {start} continues here, so this line must be a text in quotation marks, such as \"adminUser\", and then a comma"
    );
    Mistake::new(number, message, did_you_mean(&Vec::from_iter(corrected)))
}

/// Returns whether the line looks like a setting or the name of a table.
fn is_statement(line: &str) -> bool {
    line.starts_with('[') || line.contains('=')
}

/// Returns the text before a line, and the line without the spaces around it.
fn parts<'l>(lines: &[&'l str], number: usize) -> (String, &'l str) {
    let before = lines.iter().take(number.saturating_sub(1)).flat_map(|line| [*line, "\n"]).collect();
    (before, lines.get(number.saturating_sub(1)).map_or("", |line| line.trim()))
}

/// Returns the line where the list or text begins that has not ended before that line; otherwise that line.
fn start_of_unfinished(lines: &[&str], number: usize) -> usize {
    let is_complete = |number: &usize| file::parse(&parts(lines, *number).0).is_ok();
    let length = lines.iter().map(|line| line.len() + 1).sum();
    (1..=number).rev().take(MAX_VALUE_LINES.min(attempts(length))).find(is_complete).unwrap_or(number)
}

/// Returns how often a text of that length may be parsed.
fn attempts(length: usize) -> usize {
    MAX_PARSED_BYTES / length.max(1)
}

struct Repeated {
    message: String,
    advice: String,
}

/// Returns the mistake if the line is valid, and the text before it, but not both together: then the line sets
/// something for the second time.
fn repeated(before: &str, line: &str) -> Option<Repeated> {
    let earlier = file::parse(before).ok()?.into_inner();
    let path = path_of(line)?;
    if file::parse(&format!("{before}{line}\n")).is_ok() {
        return None;
    }
    let is_table = line.starts_with('[');
    let mut full_path = if is_table { Vec::new() } else { current_table(before) };
    full_path.extend(path);
    let found = find_deepest(&earlier, &full_path)?;
    let name = full_path.get(..found.depth)?;
    let line_before = line_at(before, found.offset);
    Some(if is_table {
        Repeated {
            message: format!(
                "the table [{}] is there already in line {line_before}, and a table may be there only once",
                name.iter().map(|name| key(name)).collect::<Vec<_>>().join(".")
            ),
            advice: format!("move its settings to the table in line {line_before}"),
        }
    } else {
        Repeated {
            message: format!(
                "{} is set already in line {line_before}, and a setting may be there only once",
                key(name.last()?)
            ),
            advice: format!("remove it, or line {line_before}"),
        }
    })
}

/// Returns the names in a line that is valid TOML by itself: of a table, or of a setting.
fn path_of(line: &str) -> Option<Vec<String>> {
    let mut table = file::parse(line).ok()?.into_inner();
    let mut path = Vec::new();
    while let Some((name, value)) = table.into_iter().next() {
        path.push(name.into_inner().into_owned());
        match value.into_inner() {
            // A value in braces is not part of the name.
            DeValue::Table(inner) if !line.contains('{') => table = inner,
            _ => break,
        }
    }
    (!path.is_empty()).then_some(path)
}

fn current_table(before: &str) -> Vec<String> {
    let mut headers = before.lines().rev().map(str::trim).filter(|line| line.starts_with('['));
    headers.find_map(path_of).unwrap_or_default()
}

/// The deepest name of a path that a table has.
struct Found {
    /// The number of names.
    depth: usize,
    /// The offset of the last of them.
    offset: usize,
}

fn find_deepest(table: &DeTable<'_>, path: &[String]) -> Option<Found> {
    let (name, rest) = path.split_first()?;
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
    let deeper = match value.get_ref() {
        DeValue::Table(inner) => find_deepest(inner, rest),
        _ => None,
    };
    Some(deeper.map_or(Found { depth: 1, offset: key.span().start }, |found| Found {
        depth: found.depth + 1,
        offset: found.offset,
    }))
}

/// Describes what a line should be, by what it looks like. It repeats nothing of its value, which may be secret.
fn describe(line: &str) -> String {
    if line.starts_with(';') || line.starts_with("//") {
        return "a comment begins with #".to_owned();
    }
    if line.starts_with('[') && !line.contains('=') {
        return "a table is its name in brackets on a line of its own, such as [endpoint]".to_owned();
    }
    let Some((name, value)) = line.split_once('=') else {
        return "this is neither a setting, such as port = 7746, nor a table, such as [endpoint]".to_owned();
    };
    let name = name.trim();
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if name.is_empty() {
        "a setting begins with its name, such as port = 7746".to_owned()
    } else if !is_plain && !name.starts_with(QUOTATION_MARKS) {
        "a name with other characters than A-Z a-z 0-9 _ - must be in quotation marks, such as \"my profile\" = 7747"
            .to_owned()
    } else if value.trim().is_empty() || value.trim().starts_with('#') {
        let name = key(name.trim_matches(QUOTATION_MARKS));
        format!("{name} has no value; a setting is a name, an equals sign and a value, such as port = 7746")
    } else {
        let name = key(name.trim_matches(QUOTATION_MARKS));
        format!(
            "the value of {name} must be a text in quotation marks (\"file\"), a number (7746), true, false, or a list ([\"adminUser\"])"
        )
    }
}

/// Returns what the line may have been meant to be, the most likely first.
fn corrections(line: &str) -> Vec<String> {
    if (line.starts_with('[') || line.ends_with(']')) && !line.contains('=') {
        return vec![format!("[{}]", line.trim_matches(['[', ']', ' ', ':', ';']))];
    }
    let Some((name, value)) = line.split_once('=').or_else(|| line.split_once(':')) else {
        return Vec::new();
    };
    let name = name.trim().trim_matches(QUOTATION_MARKS).trim_end_matches([':', '=']).trim_end();
    let value = value.trim().trim_start_matches('=').trim_end_matches([';', ',']).trim();
    let unquoted = value.trim_matches(QUOTATION_MARKS);
    let switch = meant_switch(&unquoted.to_lowercase()).map(|is_on| is_on.to_string());
    let items = unquoted
        .trim_matches(['[', ']'])
        .split(',')
        .map(|item| format!("\"{}\"", item.trim().trim_matches(QUOTATION_MARKS)));
    let list = format!("[{}]", items.collect::<Vec<_>>().join(", "));
    let straight = value.replace(['“', '”', '„', '«', '»'], "\"").replace(['‘', '’'], "'");
    let values: Vec<String> = [value, unquoted, unquoted.trim_start_matches('0')]
        .into_iter()
        .map(str::to_owned)
        .chain(switch)
        .chain([
            format!("\"{unquoted}\""),
            straight,
            format!("{value}]"),
            format!("{value}\"]"),
            format!("{value} }}"),
            list,
        ])
        .collect();
    let names = [name.to_owned(), format!("\"{name}\"")];
    names.iter().flat_map(|name| values.iter().map(move |value| format!("{name} = {value}"))).collect()
}

/// Returns whether a suggestion may be shown: its value is no URL or account, which may contain a password, and it fits
/// on a line.
fn may_be_shown(line: &str) -> bool {
    let value = line.split_once('=').map_or(line, |(_, value)| value);
    let may_be_secret = line.contains("://") || value.contains('@');
    !may_be_secret && line.chars().count() <= MAX_SUGGESTION && !line.chars().any(char::is_control)
}
