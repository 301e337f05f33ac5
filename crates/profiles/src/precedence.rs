//! What AWS tools find in a profile before they ask a credentials endpoint.
//!
//! Every SDK asks the profile, that is, its section in the AWS config file and its section in the credentials file,
//! before it asks the container endpoint and IMDS. So a `[default]` with credentials overrides an endpoint that the
//! environment names, unless `AWS_PROFILE` selects another profile.

use std::collections::BTreeMap;
use std::fmt;

use crate::document::{LineKind, split_setting};
use crate::{Document, Section};

/// The keys that give a profile credentials, in any form that an SDK knows.
const CREDENTIAL_KEYS: [&str; 13] = [
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "role_arn",
    "source_profile",
    "credential_source",
    "web_identity_token_file",
    CREDENTIAL_PROCESS,
    "sso_session",
    "sso_account_id",
    "sso_role_name",
    "sso_start_url",
    // `aws login` of the AWS CLI 2.32 and later.
    "login_session",
];
const CREDENTIAL_PROCESS: &str = "credential_process";
/// The longest name of a profile.
const MAX_NAME_BYTES: usize = 1024;

/// What the two files that every AWS tool reads have for each profile.
#[derive(Clone, Debug, Default)]
pub struct SharedFiles {
    profiles: BTreeMap<String, Vec<FoundSetting>>,
}

/// Which of the two files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedFile {
    /// The AWS config file.
    Config,
    /// The credentials file.
    Credentials,
}

/// A setting that gives a profile credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialSetting {
    /// The file that has it.
    pub file: SharedFile,
    /// The line, counted from 1.
    pub line: usize,
    /// The key.
    pub key: String,
}

impl fmt::Display for CredentialSetting {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = match self.file {
            SharedFile::Config => "the AWS config file",
            SharedFile::Credentials => "the AWS credentials file",
        };
        write!(formatter, "{} (line {} of {file})", self.key, self.line)
    }
}

impl SharedFiles {
    /// Reads the AWS config file and the credentials file.
    pub fn read(config: &Document<'_>, credentials: &Document<'_>) -> Self {
        let mut files = Self::default();
        files.add(SharedFile::Config, config);
        files.add(SharedFile::Credentials, credentials);
        files
    }

    /// Returns what gives that profile credentials.
    pub fn credential_settings(&self, profile: &str) -> impl Iterator<Item = &CredentialSetting> {
        self.settings(profile).iter().map(|found| &found.setting)
    }

    /// Returns the profiles that have credentials.
    pub fn profiles(&self) -> impl Iterator<Item = &str> {
        self.profiles.keys().map(String::as_str)
    }

    /// Returns whether the only credentials of that profile are what `ssod credential-process` returns for it, so that
    /// `AWS_PROFILE` selects it safely.
    pub fn is_served_by_ssod(&self, profile: &str) -> bool {
        let runs_ssod = |found: &FoundSetting| {
            let command = found.value.as_ref().filter(|_| found.setting.key == CREDENTIAL_PROCESS);
            command.is_some_and(|command| runs_ssod_for(command, profile))
        };
        let settings = self.settings(profile);
        !settings.is_empty() && settings.iter().all(runs_ssod)
    }

    fn settings(&self, profile: &str) -> &[FoundSetting] {
        self.profiles.get(profile).map_or(&[], Vec::as_slice)
    }

    fn add(&mut self, file: SharedFile, document: &Document<'_>) {
        let mut profile = None;
        // Whether lines below belong to the last credential setting, and whether they are nested below a key.
        let (mut is_continued, mut is_nested) = (false, false);
        for (line, kind) in document.lines.iter().enumerate().map(|(index, line)| (index + 1, &line.kind)) {
            match (kind, profile) {
                (LineKind::Header(header), _) => {
                    profile = profile_of(&header.section);
                    is_continued = false;
                }
                (LineKind::Setting(setting), Some(profile)) => {
                    is_nested = setting.value().is_empty();
                    is_continued = CREDENTIAL_KEYS.contains(&&*setting.key);
                    if is_continued {
                        let value = setting.comment().is_none().then(|| setting.raw.to_owned());
                        self.found(
                            profile,
                            CredentialSetting { file, line, key: setting.key.to_string() },
                            value,
                        );
                    }
                }
                (LineKind::Continuation(content), Some(profile)) => {
                    if is_continued
                        && let Some(last) = self.profiles.get_mut(profile).and_then(|found| found.last_mut())
                    {
                        last.value = None;
                    }
                    // JavaScript's SDK takes an indented line for a setting, unless it is below a key without a value.
                    let key = split_setting(content).map(|(key, ..)| key.to_lowercase());
                    let is_setting = |key: &String| !is_nested && CREDENTIAL_KEYS.contains(&key.as_str());
                    if let Some(key) = key.filter(is_setting) {
                        self.found(profile, CredentialSetting { file, line, key }, None);
                    }
                }
                _ => {}
            }
        }
    }

    fn found(&mut self, profile: &str, setting: CredentialSetting, value: Option<String>) {
        self.profiles.entry(profile.to_owned()).or_default().push(FoundSetting { setting, value });
    }
}

#[derive(Clone, Debug)]
struct FoundSetting {
    setting: CredentialSetting,
    /// `None` if the lines below or a comment may be part of the value: SDKs disagree about it.
    value: Option<String>,
}

/// The credentials file names a profile without `profile`, and some SDKs read such a section in the config file, too.
fn profile_of(section: &Section) -> Option<&str> {
    let name = match section {
        Section::Profile(name) | Section::Other(name) => name,
        Section::SsoSession(_) | Section::Services(_) => return None,
    };
    // ssod serves no profile with a longer name, and each setting costs a copy of it.
    (name.len() <= MAX_NAME_BYTES).then_some(name)
}

/// Returns whether the command line is `…/ssod credential-process PROFILE`.
fn runs_ssod_for(command: &str, profile: &str) -> bool {
    let Some(words) = shlex::split(command) else { return false };
    let [program, subcommand, name] = words.as_slice() else { return false };
    program.rsplit('/').next() == Some("ssod") && subcommand == "credential-process" && name == profile
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "[profile a]\ncredential_process = /opt/ssod credential-process a\nssod_session = s\n";

    fn files(config: &str, credentials: &str) -> SharedFiles {
        SharedFiles::read(&Document::parse(config), &Document::parse(credentials))
    }

    fn found(config: &str, credentials: &str) -> Vec<CredentialSetting> {
        files(config, credentials).credential_settings("default").cloned().collect()
    }

    #[test]
    fn every_form_of_credentials_is_found_in_both_files() {
        for key in CREDENTIAL_KEYS {
            for section in ["[default]", "[profile default]"] {
                let text =
                    format!("[profile b]\nregion = x\n{section}\n# note\n{} = v\n", key.to_uppercase());
                let settings = found(&text, "");
                let expected = CredentialSetting { file: SharedFile::Config, line: 5, key: key.to_owned() };
                assert_eq!(settings, [expected], "{section} {key}");
            }
            let text = format!("[default]\nregion = x\n{key} = v\n");
            let settings = found("", &text);
            assert_eq!(settings.len(), 1, "{key}");
            assert_eq!(settings[0].file, SharedFile::Credentials);
        }
        let harmless =
            "[default]\nregion = x\noutput = json\ns3 =\n  role_arn = x\n[profile b]\nrole_arn = x\n";
        assert_eq!(found(harmless, "[b]\naws_access_key_id = x\n"), []);
    }

    #[test]
    fn only_a_profile_without_other_credentials_is_served_by_ssod() {
        let quoted = "[profile a]\ncredential_process = '/my tools/ssod' credential-process a\n";
        assert!(files(OURS, "").is_served_by_ssod("a"));
        assert!(files(quoted, "[b]\naws_access_key_id = x\n").is_served_by_ssod("a"));
        for (name, config, credentials) in [
            ("no such profile", "[profile b]\nregion = x\n", ""),
            ("no credentials", "[profile a]\nregion = x\n", ""),
            ("AWS's form", "[profile a]\nsso_session = s\nsso_account_id = 1\nsso_role_name = R\n", ""),
            ("another program", "[profile a]\ncredential_process = /opt/other credential-process a\n", ""),
            ("another profile", "[profile a]\ncredential_process = /opt/ssod credential-process b\n", ""),
            ("another command", "[profile a]\ncredential_process = /opt/ssod env a\n", ""),
            ("two commands", "[profile a]\ncredential_process = /opt/ssod credential-process a; x\n", ""),
            ("an open quote", "[profile a]\ncredential_process = /opt/ssod credential-process 'a\n", ""),
            ("keys below another setting", &format!("{OURS}region = x\n  aws_access_key_id = x\n"), ""),
            ("a key with a colon", &format!("{OURS}aws_access_key_id: x\n"), ""),
            ("a line below", "[profile a]\ncredential_process = /opt/ssod credential-process a\n  b\n", ""),
            ("a comment", "[profile a]\ncredential_process = /opt/ssod credential-process a # b\n", ""),
            ("keys in the credentials file", OURS, "[a]\naws_access_key_id = x\n"),
            ("a process in the credentials file", OURS, "[a]\ncredential_process = /opt/other\n"),
            ("a role", &format!("{OURS}role_arn = arn\n"), ""),
            ("a second section", &format!("{OURS}[profile a]\nsso_account_id = 1\n"), ""),
            ("a section that Go reads", &format!("{OURS}[a]\naws_access_key_id = x\n"), ""),
        ] {
            assert!(!files(config, credentials).is_served_by_ssod("a"), "{name}");
        }
    }
}
