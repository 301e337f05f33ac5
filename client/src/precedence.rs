//! Makes sure that a shell gets the identity of the profile that it asked for, or none.
//!
//! AWS tools read the files of this shell before they ask ssod's endpoint. So either `AWS_PROFILE` selects a profile
//! whose credentials come from ssod, or nothing in the files may come before the endpoint.

use std::path::{Path, PathBuf};

use ssod_control::Paths;
use ssod_profiles::{CredentialSetting, Document, SharedFile, SharedFiles};

use crate::error::{CommandError, CommandResult};
use crate::user_file;

/// How AWS tools find the profile's credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// Through the profile's `credential_process`, which `AWS_PROFILE` selects.
    Profile(String),
    /// Through the endpoint; nothing in this shell's files comes before it.
    Endpoint,
}

/// What AWS tools use instead of ssod.
pub(crate) struct Overriding {
    /// What tools without a profile use before they ask the endpoint.
    pub(crate) default: Option<String>,
    /// Whether that is what ssod serves for the profile `default`.
    pub(crate) is_default_served: bool,
    /// The profiles in ssod's form, with what AWS tools use instead.
    pub(crate) profiles: Vec<(String, String)>,
    /// The profiles that have access keys.
    pub(crate) with_access_keys: Vec<String>,
}

/// Where the AWS tools of this shell look for credentials before they ask the endpoint.
pub(crate) struct AwsFiles {
    config: PathBuf,
    credentials: PathBuf,
    config_text: String,
    credentials_text: String,
    /// The first file of boto 2 that has an access key. botocore reads these files, too.
    boto: Option<PathBuf>,
}

impl AwsFiles {
    /// Reads the files of this shell.
    pub(crate) fn read(paths: &Paths) -> CommandResult<Self> {
        Ok(Self {
            config: paths.aws_config.clone(),
            credentials: paths.aws_credentials.clone(),
            config_text: user_file::read(&paths.aws_config)?,
            credentials_text: user_file::read(&paths.aws_credentials)?,
            boto: boto_files(paths).into_iter().find(|path| has_boto_key(path)),
        })
    }

    /// Decides how AWS tools find the profile, or the active profile if `name` is `None`. Fails if they would find
    /// other credentials first.
    pub(crate) fn select(&self, name: Option<&str>) -> CommandResult<Selection> {
        let files = self.parse();
        if let Some(name) = name
            && files.is_served_by_ssod(name)
        {
            return Ok(Selection::Profile(name.to_owned()));
        }
        match self.first_overriding(&files) {
            Some(overriding) => Err(refusal(&overriding, name, &files)),
            None => Ok(Selection::Endpoint),
        }
    }

    /// Returns what AWS tools use instead of ssod, each as a sentence without its full stop: first for tools without a
    /// profile, then for the profiles that are in ssod's form.
    pub(crate) fn overriding(&self) -> Overriding {
        let files = self.parse();
        let shadowed =
            files.profiles().filter(|name| has_own_process(&files, name) && !files.is_served_by_ssod(name));
        let others = |name: &&str| {
            let mut settings = files.credential_settings(name);
            let other = settings.find(|setting| setting.key != "credential_process");
            other.map_or_else(|| "another credential_process".to_owned(), |setting| self.show(setting))
        };
        let has_key =
            |name: &&str| files.credential_settings(name).any(|setting| setting.key == "aws_access_key_id");
        Overriding {
            default: self.first_overriding(&files),
            is_default_served: files.is_served_by_ssod("default"),
            profiles: shadowed.map(|name| (name.to_owned(), others(&name))).collect(),
            with_access_keys: files.profiles().filter(has_key).map(str::to_owned).collect(),
        }
    }

    fn first_overriding(&self, files: &SharedFiles) -> Option<String> {
        let of_default = files.credential_settings("default").next();
        let of_default = of_default.map(|setting| format!("[default] has {}", self.show(setting)));
        of_default.or_else(|| Some(format!("{} has an access key", self.boto.as_ref()?.display())))
    }

    fn show(&self, setting: &CredentialSetting) -> String {
        let file = match setting.file {
            SharedFile::Config => &self.config,
            SharedFile::Credentials => &self.credentials,
        };
        format!("{} in line {} of {}", setting.key, setting.line, file.display())
    }

    fn parse(&self) -> SharedFiles {
        SharedFiles::read(&Document::parse(&self.config_text), &Document::parse(&self.credentials_text))
    }
}

fn refusal(overriding: &str, name: Option<&str>, files: &SharedFiles) -> CommandError {
    let error = CommandError::new(format!("AWS tools would use other credentials, because {overriding}."));
    match name {
        // The profile has something of its own that AWS tools use before ssod, so a conversion would not be enough.
        Some(name) if name != "default" && has_own_process(files, name) => error.hint(format!(
            "Remove that setting, or remove what profile {name} has besides its credential_process"
        )),
        Some(name) => error.hint(format!("Let AWS tools select {name}: ssod configure --convert {name}")),
        None => error.hint("Name the profile, as in: ssod env PROFILE; or remove that setting"),
    }
}

fn has_own_process(files: &SharedFiles, name: &str) -> bool {
    files.credential_settings(name).any(|setting| setting.key == "credential_process")
}

/// Returns the files of boto 2 that botocore reads: the one in `BOTO_CONFIG`, otherwise two well-known ones.
fn boto_files(paths: &Paths) -> Vec<PathBuf> {
    if let Some(named) = std::env::var_os("BOTO_CONFIG") {
        return vec![named.into()];
    }
    // The folder of the token cache is ~/.aws/sso/cache.
    let home = paths.aws_cache.ancestors().nth(3);
    let own = home.map(|home| home.join(".boto"));
    std::iter::once(PathBuf::from("/etc/boto.cfg")).chain(own).collect()
}

fn has_boto_key(path: &Path) -> bool {
    let Ok(text) = user_file::read(path) else { return false };
    let lines = text.lines().map(|line| line.trim().to_ascii_lowercase());
    lines.into_iter().any(|line| line.starts_with("aws_access_key_id"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "[profile a]\ncredential_process = /opt/ssod credential-process a\n";
    const AWS_FORM: &str = "[profile a]\nsso_session = s\nsso_account_id = 1\nsso_role_name = R\n";

    fn select(name: Option<&str>, config: &str, credentials: &str) -> Result<Selection, (String, String)> {
        let files = AwsFiles {
            config: "config".into(),
            credentials: "credentials".into(),
            config_text: config.to_owned(),
            credentials_text: credentials.to_owned(),
            boto: None,
        };
        files.select(name).map_err(|error| (error.message, error.hint.unwrap_or_default()))
    }

    #[test]
    fn a_profile_in_ssods_form_is_selected_whatever_the_default_has() {
        let selected = Ok(Selection::Profile("a".to_owned()));
        assert_eq!(select(Some("a"), OURS, ""), selected);
        assert_eq!(select(Some("a"), &format!("{OURS}[default]\nrole_arn = x\n"), ""), selected);
        assert_eq!(select(Some("a"), OURS, "[default]\naws_access_key_id = x\n"), selected);
    }

    #[test]
    fn the_endpoint_is_used_if_nothing_comes_before_it() {
        for name in [Some("a"), None] {
            assert_eq!(select(name, AWS_FORM, "[b]\naws_access_key_id = x\n"), Ok(Selection::Endpoint));
        }
        assert_eq!(select(Some("a"), OURS, "[a]\naws_access_key_id = x\n"), Ok(Selection::Endpoint));
        assert_eq!(select(None, &format!("{OURS}[default]\nregion = x\n"), ""), Ok(Selection::Endpoint));
    }

    #[test]
    fn credentials_of_the_default_profile_are_refused_with_the_way_out() {
        let config = format!("{AWS_FORM}[default]\nrole_arn = x\n");
        let (message, hint) = select(Some("a"), &config, "").unwrap_err();
        assert_eq!(
            message,
            "AWS tools would use other credentials, because [default] has role_arn in line 6 of config."
        );
        assert_eq!(hint, "Let AWS tools select a: ssod configure --convert a");
        let (_, hint) = select(None, &config, "").unwrap_err();
        assert_eq!(hint, "Name the profile, as in: ssod env PROFILE; or remove that setting");
        let mixed = "[a]\naws_access_key_id = x\n[default]\naws_access_key_id = x\n";
        let (message, hint) = select(Some("a"), OURS, mixed).unwrap_err();
        assert!(message.ends_with("[default] has aws_access_key_id in line 4 of credentials."), "{message}");
        assert_eq!(hint, "Remove that setting, or remove what profile a has besides its credential_process");
        let own = "[default]\nsso_session = s\nsso_account_id = 1\nsso_role_name = R\n";
        let (_, hint) = select(Some("default"), own, "").unwrap_err();
        assert_eq!(hint, "Let AWS tools select default: ssod configure --convert default");
    }
}
