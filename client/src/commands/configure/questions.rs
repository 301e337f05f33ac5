//! Asks for the values that neither the flags nor the config file give, and checks each answer before the next
//! question. Without a terminal, reports the missing flags instead.

use std::cell::Cell;
use std::fmt::Display;

use clap::Args;
use ssod_control::{Access, Account, AssignedRole};
use ssod_model::{
    AccountId, Endpoints, InvalidName, Profile, ProfileName, Region, RoleName, SessionName, SsoSession,
    StartUrl,
};
use ssod_profiles::{Configuration, is_writable_name};

use super::conflicts::{Conflict, OtherCredentials, refused};
use super::region;
use crate::error::{CommandError, CommandResult};
use crate::{access, prompt, terminal};

/// How many of the user's roles an error names.
const EXAMPLES: usize = 5;
/// The scope that makes a sign-in renewable.
const DEFAULT_SCOPES: &str = "sso:account:access";

/// The answers that are given as flags.
#[derive(Args)]
pub(super) struct Answers {
    /// Name of the profile to add or change; by default ssod asks for it.
    #[arg(long, value_name = "PROFILE")]
    pub(super) profile: Option<String>,
    /// Name of the sso-session to add or use, whose profiles share one sign-in; by default ssod asks for it.
    #[arg(long, value_name = "SESSION")]
    pub(super) session: Option<String>,
    /// Start URL of your AWS access portal; an existing session keeps its own by default.
    #[arg(long, value_name = "URL")]
    pub(super) start_url: Option<String>,
    /// Region of IAM Identity Center; an existing session keeps its own by default.
    #[arg(long, value_name = "REGION")]
    pub(super) region: Option<String>,
    /// OAuth scopes, separated by commas; sso:account:access by default.
    #[arg(long, value_name = "SCOPES")]
    pub(super) scopes: Option<String>,
    /// AWS account of the profile; by default you choose from a list.
    #[arg(long, value_name = "ACCOUNT_ID")]
    pub(super) account: Option<String>,
    /// Role (permission set) of the profile; by default you choose from a list.
    #[arg(long, value_name = "ROLE_NAME")]
    pub(super) role: Option<String>,
    /// Region for AWS calls with the profile; by default the session's region.
    #[arg(long, value_name = "REGION")]
    pub(super) profile_region: Option<String>,
}

/// Whether an existing session or profile may be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overwrite {
    Ask,
    Allowed,
}

pub(super) struct Questions<'a> {
    pub(super) interactive: bool,
    pub(super) answers: &'a Answers,
    pub(super) overwrite: Overwrite,
    /// The sessions and profiles that are already in the config file.
    pub(super) existing: Configuration,
    /// The other credentials that its profiles have.
    pub(super) other_credentials: OtherCredentials,
    /// Whether the user has agreed that an existing profile changes.
    pub(super) agreed: Cell<bool>,
}

impl Answers {
    /// Checks every flag, whether or not it will be used.
    pub(super) fn check(&self) -> CommandResult<()> {
        check_flag(self.profile.as_deref(), profile_name)?;
        check_flag(self.session.as_deref(), session_name)?;
        check_flag(self.start_url.as_deref(), start_url)?;
        check_flag(self.account.as_deref(), AccountId::parse)?;
        check_flag(self.role.as_deref(), RoleName::parse)?;
        for flag in [&self.region, &self.profile_region].into_iter().flatten() {
            region::parse(flag)?;
        }
        Ok(())
    }
}

impl Questions<'_> {
    /// Returns the session. An existing session keeps each value for which there is no flag. The user must confirm a
    /// change of the start URL or the region.
    pub(super) fn session(&self) -> CommandResult<SsoSession> {
        let answers = self.answers;
        let suggested = answers.profile.as_ref().map(|profile| format!("sso-session-{profile}"));
        let suggested = suggested.or_else(|| self.existing.sessions.keys().next().map(ToString::to_string));
        let name = ask("SSO session name", answers.session.as_deref(), suggested, session_name)?;
        let known = self.existing.sessions.get(&name);
        if let Some(known) = known.filter(|_| self.interactive) {
            let (url, region) = (&known.start_url, &known.region);
            terminal::eprintln(&format!(
                "Session {name}: {url}, {region} (to change it: --start-url, --region, --scopes)"
            ));
        }
        let default_url = self.existing.sessions.values().next().map(|session| session.start_url.to_string());
        let start_url = match (&answers.start_url, known) {
            (None, Some(known)) => known.start_url.clone(),
            (given, _) => ask("SSO start URL", given.as_deref(), default_url, start_url)?,
        };
        let region = match (&answers.region, known) {
            (None, Some(known)) => {
                region::warn_if_mistyped(name.as_str(), &known.region);
                known.region.clone()
            }
            (given, _) => region::ask("SSO region", given.as_deref(), "us-east-1")?,
        };
        let scopes = match (&answers.scopes, known) {
            (None, Some(known)) => known.scopes.clone(),
            (None, None) if !self.interactive => checked(scopes(DEFAULT_SCOPES))?,
            (given, _) => {
                ask("SSO registration scopes", given.as_deref(), Some(DEFAULT_SCOPES.to_owned()), scopes)?
            }
        };
        let session = SsoSession { name, start_url, region, scopes, endpoints: Endpoints::default() };
        if let Some(known) = known {
            self.confirm_other_portal(known, &session)?;
        }
        Ok(session)
    }

    /// Asks before a session gets another start URL or region.
    fn confirm_other_portal(&self, known: &SsoSession, session: &SsoSession) -> CommandResult<()> {
        if known.start_url == session.start_url && known.region == session.region {
            return Ok(());
        }
        let users = self.existing.profiles.values().filter(|profile| profile.session == session.name);
        let users: Vec<_> = users.map(|profile| profile.name.as_str()).collect();
        let users = if users.is_empty() { "no profile".to_owned() } else { users.join(", ") };
        let (name, url, region) = (&session.name, &known.start_url, &known.region);
        let what = format!("Session {name} already has start URL {url} in {region}, and is used by {users}.");
        self.confirm_replace(&what, &format!("Change it to {} in {}?", session.start_url, session.region))
    }

    /// Checks before the first question what the flags alone tell: that none is missing, and what they would replace.
    pub(super) fn check_conflicts(&self) -> CommandResult<()> {
        self.require_flags()?;
        let answers = self.answers;
        let Some(name) = &answers.profile else { return Ok(()) };
        self.confirm_other_credentials(name)?;
        let Some(known) = self.existing.profiles.values().find(|known| known.name.as_str() == name) else {
            return Ok(());
        };
        let flags = [
            (&answers.session, known.session.as_str()),
            (&answers.account, known.account_id.as_str()),
            (&answers.role, known.role_name.as_str()),
        ];
        if flags.iter().all(|(flag, known)| flag.as_deref().is_none_or(|flag| flag == *known)) {
            return Ok(());
        }
        let what = present_role(known);
        self.confirm_replace(&what, "Change it?")?;
        self.agreed.set(true);
        Ok(())
    }

    /// Asks before another program is replaced, and refuses a name whose other credentials would come before ssod.
    pub(super) fn confirm_other_credentials(&self, name: &str) -> CommandResult<()> {
        match self.other_credentials.conflict(name, &self.existing) {
            None => Ok(()),
            Some(Conflict::Stays(setting)) => Err(refused(name, &setting)),
            Some(Conflict::OtherProgram(_)) if self.agreed.get() => Ok(()),
            Some(Conflict::OtherProgram(setting)) => {
                let what =
                    format!("Profile {name} gets its credentials from another program now: {setting}.");
                self.confirm_replace(&what, "Replace it?")?;
                self.agreed.set(true);
                Ok(())
            }
        }
    }

    /// Asks before a profile gets another role.
    pub(super) fn confirm_other_role(&self, profile: &Profile) -> CommandResult<()> {
        if self.agreed.get() {
            return Ok(());
        }
        let Some(known) = self.existing.profiles.get(&profile.name).filter(|known| {
            known.session != profile.session
                || known.account_id != profile.account_id
                || known.role_name != profile.role_name
        }) else {
            return Ok(());
        };
        let what = present_role(known);
        self.confirm_replace(&what, &format!("Change it to {} in {}?", profile.role_name, profile.account_id))
    }

    /// Returns an account and a role that are assigned to the user. If there is only one, shows it instead of asking.
    pub(super) fn role(
        &self,
        accounts: &[Account],
        session: &SsoSession,
    ) -> CommandResult<(AccountId, RoleName)> {
        let candidates: Vec<&Account> = match &self.answers.account {
            Some(id) => accounts.iter().filter(|account| account.id == *id).collect(),
            None => accounts.iter().collect(),
        };
        let labels: Vec<String> =
            candidates.iter().map(|account| format!("{} ({})", account.name, account.id)).collect();
        if candidates.is_empty() {
            return Err(self.not_assigned(accounts, session));
        }
        let account = candidates[self.pick("Account", "--account ACCOUNT_ID", &labels)?];
        let role = match &self.answers.role {
            Some(role) if account.roles.contains(role) => role.clone(),
            Some(_) => return Err(self.not_assigned(accounts, session)),
            None if account.roles.is_empty() => {
                return Err(CommandError::new(format!("No role is assigned to you in {}.", account.id)));
            }
            None => account.roles[self.pick("Role", "--role ROLE_NAME", &account.roles)?].clone(),
        };
        Ok((checked(AccountId::parse(&account.id))?, checked(RoleName::parse(&role))?))
    }

    /// Returns the error for a choice of flags that is not assigned to the user.
    fn not_assigned(&self, accounts: &[Account], session: &SsoSession) -> CommandError {
        let assigned = accounts.iter().flat_map(|account| {
            account.roles.iter().map(|role| AssignedRole {
                account_id: account.id.clone(),
                account_name: account.name.clone(),
                role_name: role.clone(),
            })
        });
        let examples = assigned.take(EXAMPLES).collect();
        let access = Access {
            session: session.name.to_string(),
            roles: vec![],
            account_count: accounts.len(),
            examples,
        };
        access::not_assigned(&access, self.answers.account.as_deref(), self.answers.role.as_deref())
    }

    pub(super) fn profile_name(&self, role: &RoleName) -> CommandResult<ProfileName> {
        ask("Profile name", self.answers.profile.as_deref(), Some(role.to_string()), profile_name)
    }

    pub(super) fn profile_region(&self, session: &SsoSession) -> CommandResult<Region> {
        let default = session.region.to_string();
        match &self.answers.profile_region {
            None if !self.interactive => Ok(session.region.clone()),
            asked => region::ask("Region for AWS calls", asked.as_deref(), &default),
        }
    }

    /// Returns an error unless the user agrees to replace what exists.
    fn confirm_replace(&self, what: &str, question: &str) -> CommandResult<()> {
        if self.overwrite == Overwrite::Allowed {
            return Ok(());
        }
        if !self.interactive {
            return Err(CommandError::usage(what).hint("To change it anyway, add --replace"));
        }
        if prompt::yes(&format!("{what} {question}"), false)? {
            Ok(())
        } else {
            Err(CommandError::new("Nothing was changed."))
        }
    }

    /// Returns the index of the only choice, or of the user's choice.
    fn pick(&self, what: &str, flag: &str, choices: &[String]) -> CommandResult<usize> {
        if let [only] = choices {
            terminal::eprintln(&format!("{what}: {only} (the only one)"));
            return Ok(0);
        }
        if !self.interactive {
            return Err(CommandError::usage(format!(
                "There are several to choose from: {}.",
                choices.join(", ")
            ))
            .hint(format!("Give one: {flag}")));
        }
        prompt::choice(what, choices)
    }

    fn require_flags(&self) -> CommandResult<()> {
        if self.interactive {
            return Ok(());
        }
        let answers = self.answers;
        let session = answers.session.as_deref().and_then(|name| SessionName::parse(name).ok());
        let is_known = session.is_some_and(|name| self.existing.sessions.contains_key(&name));
        let flags = [
            ("--session", answers.session.is_none()),
            ("--start-url", answers.start_url.is_none() && !is_known),
            ("--region", answers.region.is_none() && !is_known),
            ("--profile", answers.profile.is_none()),
        ];
        let missing: Vec<_> = flags.iter().filter(|(_, missing)| *missing).map(|(flag, _)| *flag).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(CommandError::usage(format!(
            "ssod cannot ask questions here, so these flags are needed: {}.",
            missing.join(" ")
        ))
        .hint("See: ssod configure --help"))
    }
}

fn present_role(known: &Profile) -> String {
    let (name, role, account) = (&known.name, &known.role_name, &known.account_id);
    format!("Profile {name} is {role} in {account} through {} now.", known.session)
}

/// Returns the flag, else the answer to the question, parsed.
fn ask<T, E: Display>(
    question: &str,
    flag: Option<&str>,
    default: Option<String>,
    parse: impl Fn(&str) -> Result<T, E>,
) -> CommandResult<T> {
    let answer = match flag {
        Some(flag) => flag.to_owned(),
        None => prompt::text(question, default, |answer| parse(answer).map(drop))?,
    };
    checked(parse(&answer))
}

/// Turns an invalid answer into a usage error.
pub(super) fn checked<T, E: Display>(parsed: Result<T, E>) -> CommandResult<T> {
    parsed.map_err(|error| CommandError::usage(format!("{error}.")))
}

fn check_flag<T, E: Display>(flag: Option<&str>, parse: impl Fn(&str) -> Result<T, E>) -> CommandResult<()> {
    flag.map_or(Ok(()), |flag| checked(parse(flag)).map(drop))
}

fn session_name(text: &str) -> Result<SessionName, InvalidName> {
    writable(text).and_then(SessionName::parse)
}

fn profile_name(text: &str) -> Result<ProfileName, InvalidName> {
    writable(text).and_then(ProfileName::parse)
}

fn writable(text: &str) -> Result<&str, InvalidName> {
    let expected = "a name that every AWS tool can read (letters, digits and _ - / . % @ : +)";
    if is_writable_name(text) { Ok(text) } else { Err(InvalidName { value: text.to_owned(), expected }) }
}

#[expect(clippy::unnecessary_wraps, reason = "has the signature of the other parsers")]
fn scopes(text: &str) -> Result<Vec<String>, InvalidName> {
    Ok(text.split(',').map(str::trim).filter(|scope| !scope.is_empty()).map(str::to_owned).collect())
}

/// Parses a start URL as users paste it: only the directory's id, or the address of a page in the portal.
fn start_url(text: &str) -> Result<StartUrl, InvalidName> {
    let is_directory = text
        .strip_prefix("d-")
        .is_some_and(|id| id.len() == 10 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    if is_directory {
        return StartUrl::parse(&format!("https://{text}.awsapps.com/start"));
    }
    let page = text.split(['#', '?']).next().unwrap_or_default();
    StartUrl::parse(page.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_urls_are_accepted_as_users_paste_them() {
        let clean = "https://d-1234567890.awsapps.com/start";
        for pasted in [
            clean,
            "d-1234567890",
            "https://d-1234567890.awsapps.com/start/#/?tab=accounts",
            &format!("{clean}/"),
        ] {
            assert_eq!(start_url(pasted).unwrap().as_str(), clean, "{pasted}");
        }
        assert!(start_url("not a url").is_err());
    }
}
