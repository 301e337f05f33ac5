//! Reports the profiles that the settings name and that the AWS config file does not have. That is not an error of the
//! settings, because the AWS config file may change later.

use std::collections::HashSet;
use std::path::Path;

use ssod_model::{ProfileName, did_you_mean, similar_names};

use super::problem::{Area, Problem};
use super::settings::{NamedProfile, Settings};

/// The most names that are reported at a time. Each is compared with every known name.
const MAX_PROBLEMS: usize = 20;

/// Returns a problem for each name in the settings, `path`, that is not one of the `known` profiles.
pub(crate) fn unknown_profiles(settings: &Settings, path: &Path, known: &[ProfileName]) -> Vec<Problem> {
    let names: HashSet<&ProfileName> = known.iter().collect();
    let unknown = settings.named_profiles.iter().filter(|named| !names.contains(&named.name));
    unknown.take(MAX_PROBLEMS).map(|named| problem(named, path, known)).collect()
}

fn problem(named: &NamedProfile, path: &Path, known: &[ProfileName]) -> Problem {
    let NamedProfile { setting, name, line } = named;
    let message = format!(
        "{} line {line}: {} names \"{name}\", which is not a profile with an Identity Center role in the AWS config file",
        path.display(),
        setting.as_str()
    );
    let similar = similar_names(name.as_str(), known.iter().map(ProfileName::as_str));
    let remedy = match did_you_mean(&similar) {
        Some(question) => format!("Fix line {line}. {question}"),
        None => format!("Fix line {line}, or add the profile: ssod configure --profile {name}"),
    };
    Problem::new(Area::UnknownProfile, message).with_remedy(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(settings: &str, known: &[&str]) -> Vec<String> {
        let settings = Settings::parse(settings).unwrap();
        let known: Vec<ProfileName> = known.iter().map(|name| ProfileName::parse(name).unwrap()).collect();
        let problems = unknown_profiles(&settings, Path::new("/ssod/config.toml"), &known);
        problems.iter().map(Problem::line).collect()
    }

    #[test]
    fn names_that_no_profile_has_are_reported_with_their_line() {
        let settings = "[refresh]\nkeep_fresh = [\n  \"adminUser\",\n  \"readonlyuser\",\n]\n[imds.profiles]\nadminUser = 1\nother = 2\n";
        assert_eq!(
            lines(settings, &["adminUser", "readOnlyUser"]),
            [
                "/ssod/config.toml line 4: [refresh] keep_fresh names \"readonlyuser\", which is not a profile with an Identity Center role in the AWS config file. Fix line 4. Did you mean \"readOnlyUser\"?",
                "/ssod/config.toml line 8: [imds] profiles names \"other\", which is not a profile with an Identity Center role in the AWS config file. Fix line 8, or add the profile: ssod configure --profile other",
            ]
        );
        assert_eq!(lines(settings, &["adminUser", "readonlyuser", "other"]).len(), 0);
        assert_eq!(lines("[refresh]\nkeep_fresh = \"all\"\n", &[]).len(), 0);
    }
}
