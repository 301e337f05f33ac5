//! What the flags leave open, asked one after another; where nobody can be asked, the missing flag is named.

use dialoguer::Input;
use dialoguer::theme::ColorfulTheme;
use ssod_control::Account;
use ssod_model::{AccountId, Endpoints, ProfileName, Region, RoleName, SessionName, SsoSession, StartUrl};
use ssod_profiles::Configuration;

use super::{parse, profile_name, region};
use crate::cli::Configure;
use crate::commands::{Context, pick};
use crate::failure::{Failure, Outcome};

/// The scope that makes a sign-in renewable.
const DEFAULT_SCOPES: &str = "sso:account:access";

pub(super) struct Questions<'a> {
    pub(super) context: &'a Context,
    pub(super) known: Configuration,
}

impl Questions<'_> {
    /// The session: a known one's settings are what is offered.
    pub(super) fn session(&self, command: &Configure) -> Outcome<SsoSession> {
        let suggested = command.profile.as_ref().map(|profile| format!("sso-session-{profile}"));
        let suggested = suggested.or_else(|| self.known.sessions.keys().next().map(ToString::to_string));
        let name = self.ask("SSO session name", "--session", command.session.as_deref(), suggested)?;
        profile_name(&name)?;
        let name = parse(SessionName::parse(&name))?;
        let known = self.known.sessions.get(&name);
        let start_url = self.ask(
            "SSO start URL",
            "--start-url",
            command.start_url.as_deref(),
            known.map(|known| known.start_url.to_string()),
        )?;
        let sso_region = self.ask(
            "SSO region",
            "--region",
            command.region.as_deref(),
            known.map(|known| known.region.to_string()).or_else(|| Some("us-east-1".to_owned())),
        )?;
        let scopes = known.map(|known| known.scopes.join(",")).filter(|scopes| !scopes.is_empty());
        let scopes = scopes.unwrap_or_else(|| DEFAULT_SCOPES.to_owned());
        let scopes = match (&command.scopes, known) {
            (None, Some(_)) => scopes,
            (given, _) => self.ask_or("SSO registration scopes", given.as_deref(), scopes)?,
        };
        Ok(SsoSession {
            name,
            start_url: parse(StartUrl::parse(&start_url))?,
            region: region(&sso_region)?,
            scopes: scopes
                .split(',')
                .map(str::trim)
                .filter(|scope| !scope.is_empty())
                .map(str::to_owned)
                .collect(),
            endpoints: Endpoints::default(),
        })
    }

    /// Account and role among those that the person may use.
    pub(super) fn role(&self, command: &Configure, accounts: &[Account]) -> Outcome<(AccountId, RoleName)> {
        let candidates: Vec<&Account> = match &command.account {
            Some(id) => accounts.iter().filter(|account| account.id == *id).collect(),
            None => accounts.iter().collect(),
        };
        let shown: Vec<String> =
            candidates.iter().map(|account| format!("{} ({})", account.name, account.id)).collect();
        let account = match candidates.as_slice() {
            [] => {
                return Err(Failure::new("Nothing is assigned to you there.")
                    .hint("Ask whoever administers Identity Center"));
            }
            [only] => only,
            _ => {
                let chosen = pick::one(self.context, "Account", &shown, "Name it: --account ID")?;
                candidates[shown.iter().position(|one| *one == chosen).unwrap_or(0)]
            }
        };
        let role = match (&command.role, account.roles.as_slice()) {
            (Some(role), _) => role.clone(),
            (None, []) => return Err(Failure::new(format!("No role is assigned to you in {}.", account.id))),
            (None, [only]) => only.clone(),
            (None, roles) => pick::one(self.context, "Role", roles, "Name it: --role NAME")?,
        };
        Ok((parse(AccountId::parse(&account.id))?, parse(RoleName::parse(&role))?))
    }

    pub(super) fn profile_name(&self, command: &Configure, role: &RoleName) -> Outcome<ProfileName> {
        let name =
            self.ask("Profile name", "--profile", command.profile.as_deref(), Some(role.to_string()))?;
        profile_name(&name)
    }

    pub(super) fn profile_region(&self, command: &Configure, session: &SsoSession) -> Outcome<Region> {
        let offered = session.region.to_string();
        region(&self.ask_or("Region for AWS calls", command.profile_region.as_deref(), offered)?)
    }

    /// The flag, else the answer; without a terminal the flag is needed.
    fn ask(
        &self,
        question: &str,
        flag: &str,
        given: Option<&str>,
        offered: Option<String>,
    ) -> Outcome<String> {
        if let Some(given) = given {
            return Ok(given.to_owned());
        }
        if !self.context.interactive {
            return Err(Failure::usage(format!("{flag} is missing, and nobody can be asked."))
                .hint("See: ssod configure --help"));
        }
        let theme = ColorfulTheme::default();
        let mut input = Input::<String>::with_theme(&theme).with_prompt(question);
        if let Some(offered) = offered {
            input = input.default(offered);
        }
        Ok(input.interact_text()?.trim().to_owned())
    }

    /// The flag, else the answer, else what is offered.
    fn ask_or(&self, question: &str, given: Option<&str>, offered: String) -> Outcome<String> {
        if given.is_none() && !self.context.interactive {
            return Ok(offered);
        }
        self.ask(question, "", given, Some(offered))
    }
}
