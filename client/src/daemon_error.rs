//! The error that a daemon prints when it cannot start: a line "error: …" and possibly a line "hint: …".

/// Why a daemon did not start, in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DaemonError {
    /// The sentence, without a full stop.
    pub(crate) reason: String,
    pub(crate) hint: Option<String>,
}

impl DaemonError {
    /// Finds the error at the end of what the daemon has printed. `None` if it printed nothing.
    pub(crate) fn find(printed: &str) -> Option<Self> {
        let mut lines = printed.lines().map(str::trim).rev().filter(|line| !line.is_empty());
        let last = lines.next()?;
        let (reason, hint) = match last.strip_prefix("hint: ") {
            Some(hint) => (lines.next()?, Some(hint.to_owned())),
            None => (last, None),
        };
        let reason = reason.strip_prefix("error: ").unwrap_or(reason).trim_end_matches('.').to_owned();
        Some(Self { reason, hint })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_error_is_found_with_its_hint() {
        let error = |reason: &str, hint: Option<&str>| {
            Some(DaemonError { reason: reason.to_owned(), hint: hint.map(str::to_owned) })
        };
        assert_eq!(DaemonError::find(" \n"), None);
        assert_eq!(DaemonError::find("hint: only"), None);
        assert_eq!(DaemonError::find("INFO ready\nerror: it broke.\n"), error("it broke", None));
        assert_eq!(
            DaemonError::find("error: old\nhint: old\nerror: new\nhint: Fix line 3\n\n"),
            error("new", Some("Fix line 3"))
        );
        assert_eq!(DaemonError::find("error: old\nhint: old\nerror: new\n"), error("new", None));
    }
}
