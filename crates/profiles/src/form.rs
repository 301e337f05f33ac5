//! The two forms of a profile, and the conversion from AWS's form to ssod's.

use std::collections::{HashMap, HashSet};

use ssod_model::{Profile, SessionName, SsoSession};

use crate::document::SourceLine;
use crate::{Configuration, Document, EditError, Section, SectionEdit, edit_sections};

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

/// A profile in AWS's form and the session that it gets.
#[derive(Clone, Debug)]
pub struct Conversion {
    /// The profile, which names the session.
    pub profile: Profile,
    /// The session. If it is not in the file yet, it is added.
    pub session: SsoSession,
}

/// Plans the conversion of profiles from AWS's form to ssod's.
///
/// A legacy profile has no session section. It gets an existing session of the same portal, else a new one, which
/// profiles of the same portal share.
pub fn plan_conversions(configuration: &Configuration, profiles: &[&Profile]) -> Vec<Conversion> {
    let key = |session: &SsoSession| (session.start_url.portal().to_owned(), session.region.clone());
    let with_section = configuration.sessions.values().filter(|session| !session.is_legacy());
    let names: HashSet<_> = with_section.clone().map(|session| session.name.clone()).collect();
    let mut by_portal: HashMap<_, _> = HashMap::new();
    for session in with_section {
        by_portal.entry(key(session)).or_insert_with(|| session.clone());
    }
    let mut free_names = FreeNames::new(names);
    let mut conversions = Vec::with_capacity(profiles.len());
    for profile in profiles {
        let Some(session) = configuration.sessions.get(&profile.session) else { continue };
        let session = if session.is_legacy() {
            let portal = by_portal.entry(key(session));
            let new = || SsoSession { name: free_names.take(profile), ..session.clone() };
            portal.or_insert_with(new).clone()
        } else {
            session.clone()
        };
        let profile = Profile { session: session.name.clone(), ..(*profile).clone() };
        conversions.push(Conversion { profile, session });
    }
    conversions
}

/// Finds names for new sessions.
struct FreeNames {
    taken: HashSet<SessionName>,
    /// The next number for each name that was taken. Without it, each of many profiles whose names begin alike would
    /// try all the numbers of those before.
    next_numbers: HashMap<String, u32>,
}

impl FreeNames {
    fn new(taken: HashSet<SessionName>) -> Self {
        Self { taken, next_numbers: HashMap::new() }
    }

    /// Returns a name for a session, after its first profile, that every AWS tool can read and that no other session
    /// has.
    fn take(&mut self, profile: &Profile) -> SessionName {
        let readable =
            |character: char| if is_writable_name(&character.to_string()) { character } else { '-' };
        let name: String = profile.name.as_str().chars().take(64).map(readable).collect();
        let base = format!("sso-session-{name}");
        let next = self.next_numbers.entry(base.clone()).or_insert(1);
        loop {
            let candidate = if *next == 1 { base.clone() } else { format!("{base}-{next}") };
            *next += 1;
            match SessionName::parse(&candidate) {
                Ok(name) if self.taken.contains(&name) => {}
                Ok(name) => {
                    self.taken.insert(name.clone());
                    return name;
                }
                Err(_) => return profile.session.clone(),
            }
        }
    }
}

/// Converts profiles from AWS's form to ssod's, all in one pass.
pub fn convert_to_ssod_form(
    text: &str,
    conversions: &[Conversion],
    program: &str,
) -> Result<String, EditError> {
    let form = ProfileForm::Ssod { program: program.to_owned() };
    let document = Document::parse(text);
    let mut known: HashSet<Section> =
        document.lines.iter().filter_map(SourceLine::section).cloned().collect();
    let mut edits = Vec::new();
    for Conversion { profile, session } in conversions {
        let section = Section::SsoSession(session.name.to_string());
        if known.insert(section.clone()) {
            edits.push(SectionEdit { section, set: session_entries(session), remove: &[] });
        }
        let (set, remove) = profile_entries(profile, &form);
        edits.push(SectionEdit { section: Section::Profile(profile.name.to_string()), set, remove });
    }
    edit_sections(text, &edits)
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

    fn convert_all(text: &str, program: &str) -> String {
        let read = resolve(&Document::parse(text), &EndpointVariables::default());
        let profiles: Vec<_> = read.profiles.values().collect();
        convert_to_ssod_form(text, &plan_conversions(&read, &profiles), program).unwrap()
    }

    #[test]
    fn legacy_profiles_get_the_session_of_their_portal() {
        let legacy = |name: &str, url: &str| {
            format!(
                "[profile {name}]\nsso_start_url = {url}\nsso_region = us-east-1\nsso_account_id = 123456789012\nsso_role_name = R\n"
            )
        };
        let (x, y, z) =
            ("https://x.awsapps.com/start", "https://y.awsapps.com/start", "https://z.awsapps.com/start");
        let text = [
            format!("[sso-session work]\nsso_start_url = {x}/#/\nsso_region = us-east-1\n"),
            format!("[sso-session sso-session-c]\nsso_start_url = {z}\nsso_region = us-east-1\n"),
            legacy("a", x),
            legacy("c", y),
            legacy("\"d e\"", &format!("{y}/")),
        ]
        .concat();
        let read = resolve(&Document::parse(&convert_all(&text, "/opt/ssod")), &EndpointVariables::default());
        let sessions: Vec<_> =
            read.profiles.values().map(|one| (one.name.as_str(), one.session.as_str())).collect();
        // The name after the profile c is taken by a session of another portal.
        assert_eq!(sessions, [("a", "work"), ("c", "sso-session-c-2"), ("d e", "sso-session-c-2")]);
        assert_eq!(read.sessions.len(), 3);
        assert_eq!(read.problems, []);
    }

    #[test]
    fn many_profiles_whose_names_begin_alike_cost_one_try_each() {
        let profile = |number: usize| Profile {
            name: format!("{}{number}", "x".repeat(64)).parse().unwrap(),
            session: "legacy".parse().unwrap(),
            account_id: "123456789012".parse().unwrap(),
            role_name: "R".parse().unwrap(),
            region: None,
            aws_form: true,
            endpoints: None,
        };
        let mut names = FreeNames::new(HashSet::new());
        let found: HashSet<_> = (0..1_000).map(|number| names.take(&profile(number))).collect();
        assert_eq!(found.len(), 1_000);
        assert_eq!(names.next_numbers.values().sum::<u32>(), 1_001, "each try counts one number further");
    }

    #[test]
    fn converting_changes_only_the_profiles_sso_keys() {
        let text = "[sso-session s]\nsso_start_url = https://x.awsapps.com/start\nsso_region = us-east-1\n\n[profile a]\n# keep\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = R\noutput = json\n";
        let made = convert_all(text, "/opt/my tools/ssod");
        assert_eq!(
            made,
            "[sso-session s]\nsso_start_url = https://x.awsapps.com/start\nsso_region = us-east-1\n\n[profile a]\n# keep\noutput = json\ncredential_process = '/opt/my tools/ssod' credential-process a\nssod_session = s\nssod_account_id = 123456789012\nssod_role_name = R\n"
        );
        let again = resolve(&Document::parse(&made), &EndpointVariables::default());
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
