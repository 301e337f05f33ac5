//! What stands in the way of a profile: credentials of another kind that AWS tools would use instead of ssod.

use ssod_profiles::{Configuration, CredentialSetting, Document, SharedFile, SharedFiles};

use crate::context::CommandContext;
use crate::error::CommandError;
use crate::user_file;

/// The keys that `configure` replaces or removes in the profile.
const REPLACED: [&str; 5] =
    ["credential_process", "sso_session", "sso_account_id", "sso_role_name", "sso_start_url"];

/// The credentials that the profiles of both files have already.
pub(super) struct OtherCredentials(SharedFiles);

/// What a profile of that name has already.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Conflict {
    /// A setting that stays in the file and comes before ssod.
    Stays(CredentialSetting),
    /// Another program that is replaced.
    OtherProgram(CredentialSetting),
}

impl OtherCredentials {
    /// Reads the credentials file; the config file has that text.
    pub(super) fn read(context: &CommandContext, config: &str) -> Self {
        // `configure` does not change the credentials file, so it continues if that file cannot be read.
        let credentials = user_file::read(&context.paths.aws_credentials).unwrap_or_default();
        Self(SharedFiles::read(&Document::parse(config), &Document::parse(&credentials)))
    }

    /// Returns what conflicts with a new profile of that name.
    pub(super) fn conflict(&self, name: &str, existing: &Configuration) -> Option<Conflict> {
        let stays = |setting: &&CredentialSetting| {
            setting.file == SharedFile::Credentials || !REPLACED.contains(&setting.key.as_str())
        };
        if let Some(setting) = self.0.credential_settings(name).find(stays) {
            return Some(Conflict::Stays(setting.clone()));
        }
        let is_ours = self.0.is_served_by_ssod(name)
            || existing.profiles.keys().any(|profile| profile.as_str() == name);
        let program = self.0.credential_settings(name).find(|setting| setting.key == "credential_process");
        program.filter(|_| !is_ours).map(|setting| Conflict::OtherProgram(setting.clone()))
    }
}

/// Returns the error for a setting that stays.
pub(super) fn refused(name: &str, setting: &CredentialSetting) -> CommandError {
    CommandError::new(format!(
        "Profile \"{name}\" already has {setting}, which AWS tools would use instead of ssod."
    ))
    .hint("Choose another name (--profile), or remove the other credentials first")
}

#[cfg(test)]
mod tests {
    use ssod_profiles::{EndpointVariables, resolve};

    use super::*;

    fn conflict(config: &str, credentials: &str) -> Option<Conflict> {
        let config = Document::parse(config);
        let files = SharedFiles::read(&config, &Document::parse(credentials));
        OtherCredentials(files).conflict("a", &resolve(&config, &EndpointVariables::default()))
    }

    #[test]
    fn credentials_of_another_kind_are_found() {
        for (config, credentials, key) in [
            ("[profile a]\naws_access_key_id = x\n", "", "aws_access_key_id"),
            ("[profile a]\nregion = x\nrole_arn = arn\nsource_profile = b\n", "", "role_arn"),
            ("[profile a]\nweb_identity_token_file = x\n", "", "web_identity_token_file"),
            ("[profile a]\nlogin_session = x\n", "", "login_session"),
            ("", "[a]\naws_access_key_id = x\n", "aws_access_key_id"),
            ("", "[a]\ncredential_process = x\n", "credential_process"),
        ] {
            let Some(Conflict::Stays(setting)) = conflict(config, credentials) else { panic!("{config}") };
            assert_eq!(setting.key, key);
        }
        assert!(matches!(
            conflict("[profile a]\ncredential_process = /opt/other\n", ""),
            Some(Conflict::OtherProgram(_))
        ));
        let session =
            "[sso-session s]\nsso_start_url = https://x.awsapps.com/start\nsso_region = us-east-1\n";
        for fine in [
            "[profile b]\naws_access_key_id = x\n".to_owned(),
            "[profile a]\nregion = x\n".to_owned(),
            "[profile a]\ncredential_process = /opt/ssod credential-process a\n".to_owned(),
            format!(
                "{session}[profile a]\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = R\n"
            ),
        ] {
            assert_eq!(conflict(&fine, "[b]\naws_access_key_id = x\n"), None, "{fine}");
        }
    }
}
