//! Regions as users type them.

use std::fmt;

use ssod_model::{InvalidName, Region, RegionGuess};

use crate::error::{CommandError, CommandResult};
use crate::{prompt, terminal};

/// A word that is not a region.
#[derive(Debug)]
pub(super) struct MistypedRegion {
    error: InvalidName,
    similar: Option<&'static str>,
}

impl fmt::Display for MistypedRegion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(formatter)?;
        self.similar.map_or(Ok(()), |similar| write!(formatter, "; did you mean {similar}?"))
    }
}

impl From<MistypedRegion> for CommandError {
    fn from(mistyped: MistypedRegion) -> Self {
        let error = Self::usage(format!("{}.", mistyped.error));
        match mistyped.similar {
            Some(similar) => error.hint(format!("Did you mean {similar}?")),
            None => error,
        }
    }
}

/// Parses a region; a region that ssod does not know is accepted if it may be a new one.
pub(super) fn parse(word: &str) -> Result<Region, MistypedRegion> {
    match RegionGuess::of(word) {
        RegionGuess::Known(region) | RegionGuess::Unknown { region, .. } => Ok(region),
        RegionGuess::Mistyped { error, similar } => Err(MistypedRegion { error, similar }),
    }
}

/// Returns the region of the flag, else of the answer. Warns if ssod does not know it.
pub(super) fn ask(question: &str, flag: Option<&str>, default: &str) -> CommandResult<Region> {
    let word = match flag {
        Some(flag) => flag.to_owned(),
        None => prompt::text(question, Some(default.to_owned()), |answer| parse(answer).map(drop))?,
    };
    let region = parse(&word)?;
    if let RegionGuess::Unknown { similar, .. } = RegionGuess::of(&word) {
        let meant = similar.map(|similar| format!("; did you mean {similar}?")).unwrap_or_default();
        terminal::eprintln(&format!("warning: ssod does not know the region {region}{meant}"));
    }
    Ok(region)
}

/// Warns if the config file has a region for the session that cannot exist.
pub(super) fn warn_if_mistyped(session: &str, region: &Region) {
    if let RegionGuess::Mistyped { similar, .. } = RegionGuess::of(region.as_str()) {
        let meant = similar.unwrap_or("REGION");
        terminal::eprintln(&format!(
            "warning: session {session} has the region {region}, which does not exist; to change it: --region {meant}"
        ));
    }
}
