//! The settings that name profiles of the AWS config file, with the lines of the names.

use std::collections::{BTreeMap, BTreeSet};

use ssod_broker::KeepFresh;
use ssod_model::{ProfileName, similar_names};
use toml::de::{DeArray, DeTable, DeValue};

use super::file::Table;
use super::mistake::{self, Mistake, did_you_mean, key, quote};
use super::value::{self, WrongValue, describe};

const KEEP_FRESH_EXAMPLE: &str = "[\"adminUser\"]";
const IMDS_PORT_EXAMPLE: &str = "7747";
const IMDS_EXAMPLE: &str = "{ readOnlyUser = 7747 }";

/// A profile that a setting names. Whether it exists depends on the AWS config file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedProfile {
    /// The setting.
    pub(crate) setting: NamingSetting,
    /// The profile.
    pub(crate) name: ProfileName,
    /// The line of the name, from 1.
    pub(crate) line: usize,
}

/// A setting that names profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NamingSetting {
    /// `[refresh] keep_fresh`
    KeepFresh,
    /// `[imds] profiles`
    ImdsProfiles,
}

impl NamingSetting {
    /// Returns the setting with its table.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::KeepFresh => "[refresh] keep_fresh",
            Self::ImdsProfiles => "[imds] profiles",
        }
    }
}

/// Reads `keep_fresh`: a word or a list of names. The names in a list are added to `named`.
pub(super) fn keep_fresh(
    table: &mut Table<'_>,
    default: KeepFresh,
    named: &mut Vec<NamedProfile>,
) -> KeepFresh {
    let Some(entry) = table.take("keep_fresh") else { return default };
    match entry.value.get_ref() {
        DeValue::String(word) if word == "used" => KeepFresh::Used,
        DeValue::String(word) if word == "all" => KeepFresh::All,
        DeValue::Array(list) => KeepFresh::Listed(listed(table, list, named)),
        value => {
            let wrong = WrongValue {
                is: describe(value),
                expected: "\"used\", \"all\" or a list of profile names".to_owned(),
                example: KEEP_FRESH_EXAMPLE.to_owned(),
                meant: value::as_text(value).map(meant_keep_fresh).unwrap_or_default(),
            };
            table.reject(entry.line, "keep_fresh under [refresh]", "keep_fresh", &wrong);
            default
        }
    }
}

/// Returns a word that is similar, or else a list with the text as the name of a profile.
fn meant_keep_fresh(text: &str) -> Vec<String> {
    let similar = similar_names(text, ["used", "all"]);
    if similar.is_empty() && ProfileName::parse(text).is_ok() {
        return vec![format!("[{}]", quote(text))];
    }
    similar.into_iter().map(|word| format!("{word:?}")).collect()
}

fn listed(table: &mut Table<'_>, list: &DeArray<'_>, named: &mut Vec<NamedProfile>) -> BTreeSet<ProfileName> {
    let mut found = BTreeSet::new();
    for item in list {
        let line = table.line_at(item.span().start);
        let name = value::as_text(item.get_ref()).and_then(|text| ProfileName::parse(text).ok());
        if let Some(name) = name {
            named.push(NamedProfile { setting: NamingSetting::KeepFresh, name: name.clone(), line });
            found.insert(name);
        } else {
            let is = describe(item.get_ref());
            let message = format!(
                "the list of keep_fresh has {is}, but must have names of profiles in quotation marks, such as keep_fresh = {KEEP_FRESH_EXAMPLE}"
            );
            table.add(Mistake::new(line, message, None));
        }
    }
    found
}

/// Reads `[imds] profiles`: a table of profile names with a port each. The names are added to `named`.
pub(super) fn imds_profiles(
    table: &mut Table<'_>,
    named: &mut Vec<NamedProfile>,
) -> BTreeMap<ProfileName, u16> {
    let Some(entry) = table.take("profiles") else { return BTreeMap::new() };
    let profiles = match entry.value.into_inner() {
        DeValue::Table(profiles) => table.entries(profiles),
        value => {
            let wrong = WrongValue {
                is: describe(&value),
                expected: "a table of profile names with a port each".to_owned(),
                example: IMDS_EXAMPLE.to_owned(),
                meant: Vec::new(),
            };
            table.reject(entry.line, "profiles under [imds]", "profiles", &wrong);
            return BTreeMap::new();
        }
    };
    let mut ports = BTreeMap::new();
    for profile in profiles {
        let (line, key) = (profile.line, key(&profile.name));
        let port = value::port(profile.value.get_ref());
        match (ProfileName::parse(&profile.name), port, profile.value.get_ref()) {
            (Ok(name), Ok(port), _) => {
                named.push(NamedProfile { setting: NamingSetting::ImdsProfiles, name: name.clone(), line });
                ports.insert(name, port);
            }
            (Ok(_), Err(_), DeValue::Table(inner)) => table.add(dotted_name(line, &profile.name, inner)),
            (Ok(_), Err(wrong), _) => {
                let wrong = WrongValue { example: IMDS_PORT_EXAMPLE.to_owned(), ..wrong };
                table.reject(line, &format!("the port of {key} under [imds] profiles"), &key, &wrong);
            }
            (Err(error), ..) => table.add(Mistake::new(line, error.to_string(), None)),
        }
    }
    ports
}

/// Returns the mistake that a name with a dot has no quotation marks, so that TOML reads a table inside a table.
fn dotted_name(line: usize, first: &str, inner: &DeTable<'_>) -> Mistake {
    let message = format!(
        "the port of {} under [imds] profiles is a table, but must be a number; a name with a dot must be in quotation marks",
        key(first)
    );
    let rest =
        inner.iter().next().map(|(name, value)| (name.get_ref().to_string(), value::port(value.get_ref())));
    let meant =
        rest.and_then(|(rest, port)| Some(format!("{} = {}", quote(&format!("{first}.{rest}")), port.ok()?)));
    Mistake::new(line, message, did_you_mean(&Vec::from_iter(meant)))
}

/// Returns the mistake that two ports of `[imds] profiles` are the same, or one is the endpoint's.
pub(super) fn port_conflict(
    profiles: &BTreeMap<ProfileName, u16>,
    named: &[NamedProfile],
    endpoint: Option<u16>,
) -> Option<Mistake> {
    let free = profiles.values().chain(endpoint.as_ref()).max().and_then(|last| last.checked_add(1));
    let mut earlier: BTreeMap<u16, &NamedProfile> = BTreeMap::new();
    for profile in named.iter().filter(|profile| profile.setting == NamingSetting::ImdsProfiles) {
        let Some(port) = profiles.get(&profile.name) else { continue };
        let key = key(profile.name.as_str());
        let conflict = if endpoint == Some(*port) {
            format!("{key} has port {port}, which is the port of ssod's endpoint")
        } else if let Some(other) = earlier.insert(*port, profile) {
            format!("{key} has port {port}, which {} has already", mistake::key(other.name.as_str()))
        } else {
            continue;
        };
        let example = free.map(|free| format!(", such as {key} = {free}")).unwrap_or_default();
        let message = format!("{conflict}; each profile under [imds] profiles needs its own port{example}");
        return Some(Mistake::new(profile.line, message, None));
    }
    None
}
