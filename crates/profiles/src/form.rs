//! The two forms of a profile, and the conversion from AWS's form to ssod's.

use ssod_model::{Profile, SsoSession};

use crate::{Document, ParseError, Section, edit, set_keys};

/// How a profile is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProfileForm {
    /// `credential_process` and ssod's own keys, so that `--profile` and every SDK get credentials from ssod. An SDK
    /// that finds `sso_account_id` uses its own sign-in instead, so this form has none of AWS's keys.
    Ssod {
        /// The absolute path of the `ssod` program.
        program: String,
    },
    /// AWS's own keys.
    Aws,
}

/// Returns the settings of `[sso-session]`.
pub fn session_entries(session: &SsoSession) -> Vec<(&'static str, String)> {
    let scopes = session.scopes.join(",");
    let mut entries =
        vec![("sso_start_url", session.start_url.to_string()), ("sso_region", session.region.to_string())];
    if !scopes.is_empty() {
        entries.push(("sso_registration_scopes", scopes));
    }
    entries
}

/// Returns the settings of `[profile]` in that form, and the keys of the other form, which must be removed.
pub fn profile_entries(
    profile: &Profile,
    form: &ProfileForm,
) -> (Vec<(&'static str, String)>, &'static [&'static str]) {
    let (session, account, role) =
        (profile.session.to_string(), profile.account_id.to_string(), profile.role_name.to_string());
    let (mut set, remove): (Vec<(&'static str, String)>, &'static [&'static str]) = match form {
        ProfileForm::Ssod { program } => (
            vec![
                ("credential_process", credential_process(program, profile.name.as_str())),
                ("ssod_session", session),
                ("ssod_account_id", account),
                ("ssod_role_name", role),
            ],
            &["sso_session", "sso_account_id", "sso_role_name", "sso_start_url", "sso_region"],
        ),
        ProfileForm::Aws => (
            vec![("sso_session", session), ("sso_account_id", account), ("sso_role_name", role)],
            &[
                "credential_process",
                "ssod_session",
                "ssod_account_id",
                "ssod_role_name",
                "sso_start_url",
                "sso_region",
            ],
        ),
    };
    if let Some(region) = &profile.region {
        set.push(("region", region.to_string()));
    }
    (set, remove)
}

/// Converts a profile from AWS's form to ssod's. For a legacy profile this adds the `[sso-session]`.
pub fn convert_to_ssod_form(
    text: &str,
    profile: &Profile,
    session: &SsoSession,
    program: &str,
) -> Result<String, ParseError> {
    let form = ProfileForm::Ssod { program: program.to_owned() };
    let (set, remove) = profile_entries(profile, &form);
    let section = Section::SsoSession(session.name.to_string());
    let text = if Document::parse(text)?.has(&section) {
        text.to_owned()
    } else {
        set_keys(text, &section, &session_entries(session))?
    };
    edit(&text, &Section::Profile(profile.name.to_string()), &set, remove)
}

/// Returns whether every AWS tool can read a section of this name; the Rust SDK allows the fewest characters.
pub fn is_writable_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('-')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-/.%@:+".contains(&byte))
}

/// Returns the command line for `credential_process`, which botocore splits by shell rules and other SDKs pass to `sh
/// -c`.
fn credential_process(program: &str, profile: &str) -> String {
    format!("{} credential-process {}", quote_for_shell(program), quote_for_shell(profile))
}

fn quote_for_shell(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-/.%@:+=,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EndpointVariables, resolve};

    #[test]
    fn converting_changes_only_the_profiles_sso_keys() {
        let text = "[sso-session s]\nsso_start_url = https://x.awsapps.com/start\nsso_region = us-east-1\n\n[profile a]\n# keep\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = R\noutput = json\n";
        let read = resolve(&Document::parse(text).unwrap(), &EndpointVariables::default());
        let profile = read.profiles.values().next().unwrap();
        let made =
            convert_to_ssod_form(text, profile, &read.sessions[&profile.session], "/opt/my tools/ssod")
                .unwrap();
        assert_eq!(
            made,
            "[sso-session s]\nsso_start_url = https://x.awsapps.com/start\nsso_region = us-east-1\n\n[profile a]\n# keep\noutput = json\ncredential_process = '/opt/my tools/ssod' credential-process a\nssod_session = s\nssod_account_id = 123456789012\nssod_role_name = R\n"
        );
        let again = resolve(&Document::parse(&made).unwrap(), &EndpointVariables::default());
        assert_eq!(again.problems, []);
        assert!(!again.profiles.values().next().unwrap().aws_form);
    }

    #[test]
    fn a_name_that_some_sdk_refuses_is_not_writable() {
        assert!(is_writable_name("123456789012/Admin-Role.x"));
        for bad in ["", "q w", "$(touch x)", "a'b", "-rf", "é"] {
            assert!(!is_writable_name(bad), "{bad}");
        }
    }
}
