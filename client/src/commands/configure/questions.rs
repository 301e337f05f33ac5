//! What the flags and the file leave open, asked one after another, each answer checked before the next question; where
//! nobody can be asked, the missing flags are named.

use ssod_control::Account;
use ssod_model::{
    AccountId, Endpoints, InvalidName, ProfileName, Region, RoleName, SessionName, SsoSession, StartUrl,
};
use ssod_profiles::{Configuration, writable_name};

use crate::cli::Configure;
use crate::commands::Context;
use crate::failure::{Failure, Outcome};
use crate::{prompt, terminal};

/// The scope that makes a sign-in renewable.
const DEFAULT_SCOPES: &str = "sso:account:access";

pub(super) struct Questions<'a> {
    pub(super) context: &'a Context,
    pub(super) command: &'a Configure,
    pub(super) known: Configuration,
}

impl Questions<'_> {
    /// The session. What the file says of a known one is taken as it is; a flag that says otherwise changes it, which is
    /// asked where profiles depend on it.
    pub(super) fn session(&self) -> Outcome<SsoSession> {
        let command = self.command;
        self.name_missing_flags()?;
        let suggested = command.profile.as_ref().map(|profile| format!("sso-session-{profile}"));
        let suggested = suggested.or_else(|| self.known.sessions.keys().next().map(ToString::to_string));
        let name = ask("SSO session name", command.session.as_deref(), suggested, session_name)?;
        let known = self.known.sessions.get(&name);
        if let Some(known) = known.filter(|_| self.context.interactive) {
            let (url, region) = (&known.start_url, &known.region);
            terminal::warn(&format!(
                "Session {name}: {url}, {region} (to change it: --start-url, --region, --scopes)"
            ));
        }
        let elsewhere = self.known.sessions.values().next().map(|session| session.start_url.to_string());
        let start_url = match (&command.start_url, known) {
            (None, Some(known)) => known.start_url.clone(),
            (given, _) => ask("SSO start URL", given.as_deref(), elsewhere, start_url)?,
        };
        let region = match (&command.region, known) {
            (None, Some(known)) => known.region.clone(),
            (given, _) => ask("SSO region", given.as_deref(), Some("us-east-1".to_owned()), Region::parse)?,
        };
        let scopes = match (&command.scopes, known) {
            (None, Some(known)) => known.scopes.clone(),
            (None, None) if !self.context.interactive => given(scopes(DEFAULT_SCOPES))?,
            (given, _) => {
                ask("SSO registration scopes", given.as_deref(), Some(DEFAULT_SCOPES.to_owned()), scopes)?
            }
        };
        let session = SsoSession { name, start_url, region, scopes, endpoints: Endpoints::default() };
        if let Some(known) =
            known.filter(|known| known.start_url != session.start_url || known.region != session.region)
        {
            let users = self.known.profiles.values().filter(|profile| profile.session == session.name);
            let users: Vec<_> = users.map(|profile| profile.name.as_str()).collect();
            let users = if users.is_empty() { "no profile".to_owned() } else { users.join(", ") };
            let (name, url, region) = (&session.name, &known.start_url, &known.region);
            let what = format!("Session {name} is {url} in {region} now, for {users}.");
            self.may_replace(&what, &format!("Make it {} in {}?", session.start_url, session.region))?;
        }
        Ok(session)
    }

    /// Account and role among those that the person may use; what leaves no choice is said.
    pub(super) fn role(&self, accounts: &[Account], session: &SsoSession) -> Outcome<(AccountId, RoleName)> {
        let candidates: Vec<&Account> = match &self.command.account {
            Some(id) => accounts.iter().filter(|account| account.id == *id).collect(),
            None => accounts.iter().collect(),
        };
        let shown: Vec<String> =
            candidates.iter().map(|account| format!("{} ({})", account.name, account.id)).collect();
        if candidates.is_empty() {
            let name = &session.name;
            return Err(Failure::new("Nothing is assigned to you there.").hint(format!(
                "If the browser was signed in as somebody else: ssod logout {name}, sign out at the access portal, and \
                 ssod login {name}. Otherwise ask whoever administers Identity Center"
            )));
        }
        let account = candidates[self.pick("Account", "--account ID", &shown)?];
        let role = match &self.command.role {
            Some(role) => role.clone(),
            None if account.roles.is_empty() => {
                return Err(Failure::new(format!("No role is assigned to you in {}.", account.id)));
            }
            None => account.roles[self.pick("Role", "--role NAME", &account.roles)?].clone(),
        };
        Ok((given(AccountId::parse(&account.id))?, given(RoleName::parse(&role))?))
    }

    pub(super) fn profile_name(&self, role: &RoleName) -> Outcome<ProfileName> {
        ask("Profile name", self.command.profile.as_deref(), Some(role.to_string()), profile_name)
    }

    pub(super) fn profile_region(&self, session: &SsoSession) -> Outcome<Region> {
        let offered = session.region.to_string();
        match &self.command.profile_region {
            None if !self.context.interactive => Ok(session.region.clone()),
            asked => ask("Region for AWS calls", asked.as_deref(), Some(offered), Region::parse),
        }
    }

    /// Whether something that exists may become something else.
    pub(super) fn may_replace(&self, what: &str, question: &str) -> Outcome<()> {
        if self.command.replace || self.command.dry_run {
            return Ok(());
        }
        if !self.context.interactive {
            return Err(Failure::usage(what).hint("To change it all the same, add --replace"));
        }
        if prompt::yes(&format!("{what} {question}"), false)? {
            Ok(())
        } else {
            Err(Failure::new("Nothing was changed."))
        }
    }

    /// The only one, or the person's choice.
    fn pick(&self, what: &str, flag: &str, choices: &[String]) -> Outcome<usize> {
        if let [only] = choices {
            terminal::warn(&format!("{what}: {only} (the only one)"));
            return Ok(0);
        }
        if !self.context.interactive {
            return Err(Failure::usage(format!("There are several to choose from: {}.", choices.join(", ")))
                .hint(format!("Name one: {flag}")));
        }
        prompt::choice(what, choices)
    }

    fn name_missing_flags(&self) -> Outcome<()> {
        if self.context.interactive {
            return Ok(());
        }
        let command = self.command;
        let session = command.session.as_deref().and_then(|name| SessionName::parse(name).ok());
        let is_known = session.is_some_and(|name| self.known.sessions.contains_key(&name));
        let flags = [
            ("--session", command.session.is_none()),
            ("--start-url", command.start_url.is_none() && !is_known),
            ("--region", command.region.is_none() && !is_known),
            ("--profile", command.profile.is_none()),
        ];
        let missing: Vec<_> = flags.iter().filter(|(_, missing)| *missing).map(|(flag, _)| *flag).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(Failure::usage(format!("Nobody can be asked, so these are needed: {}.", missing.join(" ")))
            .hint("See: ssod configure --help"))
    }
}

/// The flag, else the answer, checked either way.
fn ask<T>(
    question: &str,
    flag: Option<&str>,
    offered: Option<String>,
    parse: impl Fn(&str) -> Result<T, InvalidName>,
) -> Outcome<T> {
    let answer = match flag {
        Some(flag) => flag.to_owned(),
        None => prompt::text(question, offered, |answer| parse(answer).map(drop))?,
    };
    given(parse(&answer))
}

/// An answer as somebody gave it; a wrong one is wrong usage.
pub(super) fn given<T>(parsed: Result<T, InvalidName>) -> Outcome<T> {
    parsed.map_err(|error| Failure::usage(format!("{error}.")))
}

fn session_name(text: &str) -> Result<SessionName, InvalidName> {
    writable(text).and_then(SessionName::parse)
}

fn profile_name(text: &str) -> Result<ProfileName, InvalidName> {
    writable(text).and_then(ProfileName::parse)
}

fn writable(text: &str) -> Result<&str, InvalidName> {
    let expected = "a name that every AWS tool can read (letters, digits and _ - / . % @ : +)";
    if writable_name(text) { Ok(text) } else { Err(InvalidName { value: text.to_owned(), expected }) }
}

#[expect(clippy::unnecessary_wraps, reason = "one of several checks of one shape")]
fn scopes(text: &str) -> Result<Vec<String>, InvalidName> {
    Ok(text.split(',').map(str::trim).filter(|scope| !scope.is_empty()).map(str::to_owned).collect())
}

/// A start URL as people paste it: the directory's id alone, or the address bar's text with the portal's own page.
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
    fn start_urls_are_taken_as_people_paste_them() {
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
