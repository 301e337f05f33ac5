//! Parses durations that the user types, and formats durations for display.

use std::time::Duration;

use jiff::SignedDuration;

/// Parses `15m`, `1h30m`, `2 hours`.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<SignedDuration>().ok().and_then(|parsed| Duration::try_from(parsed).ok());
    parsed.filter(|parsed| parsed.as_secs() > 0).ok_or_else(|| "write it like 15m, 90s or 1h30m".to_owned())
}

/// Formats a duration with its largest unit and, if it is not zero, the next smaller one: `1h 5m`, `42s`, `3d 2h`.
pub(crate) fn format(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let Some(first) = UNITS.iter().position(|(unit, _)| seconds >= *unit) else { return "0s".to_owned() };
    let (unit, name) = UNITS[first];
    let whole = std::format!("{}{name}", seconds / unit);
    match UNITS.get(first + 1).map(|(next, name)| (seconds % unit / next, name)) {
        Some((rest, name)) if rest > 0 => std::format!("{whole} {rest}{name}"),
        _ => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_units() {
        for (seconds, text) in
            [(0, "0s"), (42, "42s"), (60, "1m"), (3_900, "1h 5m"), (3_601, "1h"), (266_400, "3d 2h")]
        {
            assert_eq!(format(seconds), text);
        }
        assert_eq!(parse("1h30m"), Ok(Duration::from_mins(90)));
        assert!(parse("soon").is_err() && parse("-5m").is_err() && parse("0s").is_err());
    }
}
