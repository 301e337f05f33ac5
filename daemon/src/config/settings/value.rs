//! The kinds of values in `config.toml`, and what the user reads if a value is of another kind.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use jiff::SignedDuration;
use ssod_model::similar_names;
use toml::de::{DeInteger, DeValue};

use super::mistake::{join, quote};

/// A value that is not of the expected kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WrongValue {
    /// What the value is: `"7746"`, `a list`.
    pub(super) is: String,
    /// What is expected: `a whole number from 1 to 65535`.
    pub(super) expected: String,
    /// A value of the expected kind.
    pub(super) example: String,
    /// What the user most likely meant.
    pub(super) meant: Vec<String>,
}

impl WrongValue {
    fn new(value: &DeValue<'_>, expected: impl Into<String>, example: impl Into<String>) -> Self {
        Self { is: describe(value), expected: expected.into(), example: example.into(), meant: Vec::new() }
    }

    fn meant(self, meant: impl IntoIterator<Item = String>) -> Self {
        Self { meant: meant.into_iter().collect(), ..self }
    }
}

/// Describes a value in words. A long text is cut off.
pub(super) fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => quote(text),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(is_true) => is_true.to_string(),
        DeValue::Datetime(_) => "a date or time".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// Reads a TCP port.
pub(super) fn port(value: &DeValue<'_>) -> Result<u16, WrongValue> {
    let number = match value {
        DeValue::Integer(number) => integer(number).and_then(|number| u16::try_from(number).ok()),
        _ => None,
    };
    number.filter(|port| *port != 0).ok_or_else(|| {
        let written = match value {
            DeValue::String(text) => text.trim().parse::<u16>().ok(),
            DeValue::Float(number) => number.as_str().strip_suffix(".0").and_then(|whole| whole.parse().ok()),
            _ => None,
        };
        let meant = written.filter(|port| *port != 0).map(|port| port.to_string());
        let expected = format!("a whole number from 1 to 65535{}", unquoted(value));
        WrongValue::new(value, expected, "7746").meant(meant)
    })
}

/// Reads a switch.
pub(super) fn switch(value: &DeValue<'_>) -> Result<bool, WrongValue> {
    if let DeValue::Boolean(is_on) = value {
        return Ok(*is_on);
    }
    let word = match value {
        DeValue::String(text) => text.trim().to_lowercase(),
        DeValue::Integer(number) => number.to_string(),
        _ => String::new(),
    };
    let meant = meant_switch(&word).map(|is_on| is_on.to_string());
    Err(WrongValue::new(value, format!("true or false{}", unquoted(value)), "true").meant(meant))
}

/// Returns the switch that a word of other formats means.
pub(super) fn meant_switch(word: &str) -> Option<bool> {
    match word {
        "yes" | "on" | "true" | "1" | "y" | "enabled" => Some(true),
        "no" | "off" | "false" | "0" | "n" | "disabled" => Some(false),
        _ => None,
    }
}

/// Reads a text. The error never has the value, because a text may be secret: a proxy's URL can have a password.
pub(super) fn text(value: &DeValue<'_>, example: &str) -> Result<String, WrongValue> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        _ => Err(WrongValue::new(value, "a text in quotation marks", format!("{example:?}"))),
    }
}

/// Reads a command in a shell's quoting. An empty text is no command.
pub(super) fn command(value: &DeValue<'_>, example: &str) -> Result<String, WrongValue> {
    let command = text(value, example)?;
    match shlex::split(&command) {
        Some(words) if !words.is_empty() || command.trim().is_empty() => Ok(command),
        Some(_) => Err(WrongValue::new(value, "a command that names a program", format!("{example:?}"))),
        None => Err(WrongValue::new(value, "a command whose quotes are closed", format!("{example:?}"))),
    }
}

/// Reads a list of loopback addresses with a port each. A name other than `localhost` is refused, because a resolver
/// could give it any address.
pub(super) fn loopback_addresses(value: &DeValue<'_>) -> Result<BTreeSet<SocketAddr>, WrongValue> {
    let example = "[\"127.0.0.1:4566\"]";
    let wrong = || {
        let expected = "a list of addresses on loopback with a port each, in quotation marks";
        WrongValue::new(value, expected, example)
    };
    let DeValue::Array(list) = value else {
        let meant = as_text(value).filter(|text| !addresses_of(text).is_empty());
        return Err(wrong().meant(meant.map(|text| format!("[{text:?}]"))));
    };
    let mut found = BTreeSet::new();
    for item in list {
        let addresses = as_text(item.get_ref()).map(addresses_of).unwrap_or_default();
        if addresses.is_empty() {
            return Err(WrongValue { is: format!("a list with {}", describe(item.get_ref())), ..wrong() });
        }
        found.extend(addresses);
    }
    Ok(found)
}

/// Returns the addresses that `127.0.0.1:PORT`, `[::1]:PORT` or `localhost:PORT` means, also as a URL; none for another
/// text.
fn addresses_of(text: &str) -> Vec<SocketAddr> {
    let text = text.trim().trim_start_matches("http://").trim_end_matches('/');
    match text.split_once("localhost:") {
        Some(("", port)) => {
            let hosts = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
            let port = port.parse::<u16>().ok().into_iter();
            port.flat_map(|port| hosts.map(|host| SocketAddr::new(host, port))).collect()
        }
        _ => {
            text.parse::<SocketAddr>().ok().filter(|address| address.ip().is_loopback()).into_iter().collect()
        }
    }
}

/// Reads one of several words.
pub(super) fn one_of<T: Copy>(value: &DeValue<'_>, words: &[(&'static str, T)]) -> Result<T, WrongValue> {
    let written = as_text(value);
    if let Some((_, meaning)) = words.iter().find(|(word, _)| written == Some(*word)) {
        return Ok(*meaning);
    }
    let quoted: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
    let similar = similar_names(written.unwrap_or_default(), words.iter().map(|(word, _)| *word));
    let example = quoted.first().cloned().unwrap_or_default();
    Err(WrongValue::new(value, join(&quoted, "or"), example)
        .meant(similar.iter().map(|word| format!("{word:?}"))))
}

/// Reads a number of calls per second.
pub(super) fn rate(value: &DeValue<'_>) -> Result<f64, WrongValue> {
    let rate = match value {
        DeValue::Integer(number) => number.as_str().parse().ok(),
        DeValue::Float(number) => number.as_str().parse().ok(),
        _ => None,
    };
    rate.filter(|rate| (0.1..=1_000.0).contains(rate)).ok_or_else(|| {
        let meant = as_text(value).and_then(|text| text.trim().parse::<f64>().ok());
        let meant = meant.filter(|rate| (0.1..=1_000.0).contains(rate)).map(|rate| rate.to_string());
        WrongValue::new(value, format!("a number from 0.1 to 1000{}", unquoted(value)), "10").meant(meant)
    })
}

/// Reads a duration.
pub(super) fn duration(value: &DeValue<'_>, example: &str) -> Result<Duration, WrongValue> {
    let parsed = as_text(value).and_then(parse_duration);
    parsed.ok_or_else(|| {
        wrong_duration(value, "a number with its unit (s, m or h) in quotation marks", example)
    })
}

/// Reads a duration of at least a second, or the empty text, which means `if_empty`.
pub(super) fn optional_duration(
    value: &DeValue<'_>,
    example: &str,
    if_empty: &str,
) -> Result<Option<Duration>, WrongValue> {
    if as_text(value) == Some("") {
        return Ok(None);
    }
    let parsed =
        as_text(value).and_then(parse_duration).filter(|duration| *duration >= Duration::from_secs(1));
    parsed.map(Some).ok_or_else(|| {
        let expected = format!(
            "a number with its unit (s, m or h) in quotation marks, at least \"1s\", or \"\" for {if_empty}"
        );
        wrong_duration(value, &expected, example)
    })
}

fn wrong_duration(value: &DeValue<'_>, expected: &str, example: &str) -> WrongValue {
    let meant = as_text(value).and_then(meant_duration).map(|text| format!("{text:?}"));
    WrongValue::new(value, expected, format!("{example:?}")).meant(meant)
}

fn parse_duration(text: &str) -> Option<Duration> {
    text.parse::<SignedDuration>().ok().and_then(|parsed| Duration::try_from(parsed).ok())
}

/// Returns a duration in days or weeks as hours, because the days of a calendar do not all have 24 hours, so these
/// units are not accepted; and a duration with one misspelled unit with its unit.
fn meant_duration(text: &str) -> Option<String> {
    let (number, unit) = text.trim().split_at(text.trim().find(|letter: char| !letter.is_ascii_digit())?);
    let number: u64 = number.parse().ok()?;
    let unit = unit.trim().to_lowercase();
    let days = match unit.as_str() {
        "d" | "day" | "days" => Some(1),
        "w" | "week" | "weeks" => Some(7),
        _ => None,
    };
    if let Some(days) = days {
        return Some(format!("{}h", number.checked_mul(days)?.checked_mul(24)?));
    }
    match similar_names(&unit, ["seconds", "minutes", "hours"]).as_slice() {
        [unit] => Some(format!("{number}{}", unit.get(..1)?)),
        _ => None,
    }
}

/// Returns a text value.
pub(super) fn as_text<'v>(value: &'v DeValue<'_>) -> Option<&'v str> {
    match value {
        DeValue::String(text) => Some(text),
        _ => None,
    }
}

fn integer(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// Reminds of the quotation marks where a text is in the place of a number or a switch.
fn unquoted(value: &DeValue<'_>) -> &'static str {
    if as_text(value).is_some() { " without quotation marks" } else { "" }
}
