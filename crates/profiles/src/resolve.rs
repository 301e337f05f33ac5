//! From lines to sessions and profiles, and to what is wrong with them.

use std::collections::BTreeMap;
use std::fmt;

use ssod_model::{
    AccountId, Endpoints, InvalidName, Profile, ProfileName, Region, RoleName, SessionName, SsoSession,
    StartUrl,
};

use crate::document::LineKind;
use crate::{Document, Environment, Section};

/// What the AWS CLI asks for in the browser flow where nothing is configured.
const DEFAULT_SCOPE: &str = "sso:account:access";

/// Something that is wrong at a line, though the rest of the file can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}: {}", self.line, self.message)
    }
}

/// What the file means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    /// Every session that is complete.
    pub sessions: BTreeMap<SessionName, SsoSession>,
    /// Every profile that names an account and a role through one of them.
    pub profiles: BTreeMap<ProfileName, Profile>,
    /// What is wrong, in the order of the lines.
    pub problems: Vec<Problem>,
}

/// Resolves a parsed file. Nothing here fails: a part that is wrong is left out and reported.
pub fn resolve(document: &Document<'_>, environment: &Environment) -> Configuration {
    let mut resolver =
        Resolver { environment, configuration: Configuration::default(), services: BTreeMap::new() };
    let blocks = resolver.blocks(document);
    for block in &blocks {
        if let Section::Services(name) = &block.section {
            resolver.services.insert(name.clone(), block.clone());
        }
    }
    for block in &blocks {
        if let Section::SsoSession(name) = &block.section {
            resolver.session(name, block);
        }
    }
    for block in &blocks {
        if let Section::Profile(name) = &block.section {
            resolver.profile(name, block);
        }
    }
    resolver.configuration.problems.sort_by_key(|problem| problem.line);
    resolver.configuration
}

/// A value and where it stands.
#[derive(Clone, Debug)]
struct Value {
    line: usize,
    text: String,
}

/// All sections of one name, merged as the SDKs merge them.
#[derive(Clone, Debug)]
struct Block {
    section: Section,
    line: usize,
    values: BTreeMap<String, Value>,
    /// `outer.inner` for nested settings.
    nested: BTreeMap<String, String>,
}

impl Block {
    fn text(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(|value| value.text.as_str()).filter(|text| !text.is_empty())
    }

    fn line_of(&self, key: &str) -> usize {
        self.values.get(key).map_or(self.line, |value| value.line)
    }

    fn flag(&self, key: &str) -> Option<bool> {
        self.text(key).map(|text| text.eq_ignore_ascii_case("true"))
    }
}

struct Resolver<'a> {
    environment: &'a Environment,
    configuration: Configuration,
    services: BTreeMap<String, Block>,
}

impl Resolver<'_> {
    fn problem(&mut self, line: usize, message: impl Into<String>) {
        // A person reads it on a terminal, and names come from a file.
        let visible = |character: char| if character.is_control() { '?' } else { character };
        let message = message.into().chars().map(visible).collect();
        self.configuration.problems.push(Problem { line, message });
    }

    /// Groups the lines into blocks, and reports where the AWS CLI and the SDKs would read them differently.
    fn blocks(&mut self, document: &Document<'_>) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut plain_default = None;
        let mut current = None;
        let mut outer = String::new();
        for (line, kind) in document.lines.iter().enumerate().map(|(index, line)| (index + 1, &line.kind)) {
            match kind {
                LineKind::Silent => {}
                LineKind::Header { section, plain_default: plain } => {
                    let known = blocks.iter().position(|block| block.section == *section);
                    if known.is_some() && !matches!(section, Section::Other(_)) {
                        self.duplicate(line, section, plain_default.is_some_and(|before| before != *plain));
                    }
                    if *section == Section::Profile("default".to_owned()) {
                        plain_default = Some(*plain);
                    }
                    current = Some(known.unwrap_or_else(|| {
                        blocks.push(Block {
                            section: section.clone(),
                            line,
                            values: BTreeMap::new(),
                            nested: BTreeMap::new(),
                        });
                        blocks.len() - 1
                    }));
                }
                LineKind::Entry(entry) => {
                    let Some(block) = current.and_then(|at: usize| blocks.get_mut(at)) else { continue };
                    outer.clone_from(&entry.key);
                    let value = Value { line, text: entry.value.clone() };
                    let repeated = block
                        .values
                        .insert(entry.key.clone(), value)
                        .is_some_and(|old| old.line > block.line);
                    if is_ours(&entry.key) {
                        self.entry_problems(line, entry, repeated);
                    }
                }
                LineKind::Nested { key, value } => {
                    if let Some(block) = current.and_then(|at: usize| blocks.get_mut(at)) {
                        block.nested.insert(format!("{outer}.{key}"), value.clone());
                    }
                }
            }
        }
        blocks
    }

    fn duplicate(&mut self, line: usize, section: &Section, two_spellings: bool) {
        let header = section.header();
        self.problem(
            line,
            if two_spellings {
                "[default] and [profile default] both stand in the file; the AWS CLI takes the later one alone. Keep one".to_owned()
            } else {
                format!("a second {header}: the AWS CLI refuses the whole file. Merge the two")
            },
        );
    }

    fn entry_problems(&mut self, line: usize, entry: &crate::document::Entry, repeated: bool) {
        let key = &entry.key;
        if repeated {
            self.problem(line, format!("a second {key} in this section: the AWS CLI refuses the whole file"));
        }
        if let Some(comment) = &entry.comment {
            self.problem(
                line,
                format!("the AWS CLI reads {comment:?} as part of {key}'s value; put the comment on a line of its own"),
            );
        }
        if entry.value.len() > 1 && entry.value.starts_with(['"', '\'']) {
            self.problem(
                line,
                format!("the AWS tools take the quotes around {key}'s value as part of it; leave them out"),
            );
        }
    }

    fn session(&mut self, name: &str, block: &Block) {
        let (Some(url), Some(region)) = (block.text("sso_start_url"), block.text("sso_region")) else {
            return self.problem(
                block.line,
                format!("[sso-session {name}] needs both sso_start_url and sso_region"),
            );
        };
        // Without a scope AWS gives a token that nobody can renew, which is the last thing that ssod's user wants.
        let scopes = block.text("sso_registration_scopes").unwrap_or(DEFAULT_SCOPE);
        let scopes =
            scopes.split(',').map(str::trim).filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
        let endpoints = self.endpoints(None);
        let made = SessionName::parse(name)
            .map_err(|error| (block.line, error))
            .and_then(|name| make_session(name, url, region, scopes, endpoints, block));
        match made {
            Ok(session) => {
                self.configuration.sessions.insert(session.name.clone(), session);
            }
            Err((line, error)) => self.problem(line, error.to_string()),
        }
    }

    fn profile(&mut self, name: &str, block: &Block) {
        let ssod_form = block.values.keys().any(|key| key.starts_with("ssod_"));
        let prefix = if ssod_form { "ssod" } else { "sso" };
        let aws_keys = ["sso_account_id", "sso_role_name"];
        if !ssod_form && !aws_keys.iter().any(|key| block.values.contains_key(*key)) {
            return;
        }
        let (account_key, role_key) = (format!("{prefix}_account_id"), format!("{prefix}_role_name"));
        let (Some(account), Some(role)) = (block.text(&account_key), block.text(&role_key)) else {
            return self
                .problem(block.line, format!("profile {name} needs both {account_key} and {role_key}"));
        };
        let session_key = format!("{prefix}_session");
        let session = match (block.text(&session_key), block.text("sso_start_url")) {
            (Some(session), inline) => {
                self.named_session(name, session, &session_key, inline.is_some(), block)
            }
            (None, Some(url)) if !ssod_form => self.legacy_session(name, url, block),
            (None, _) => {
                self.problem(block.line, format!("profile {name} names no session: add {session_key}"));
                None
            }
        };
        let Some(session) = session else { return };
        let region = block.text("region").and_then(|text| match Region::parse(text) {
            Ok(region) => Some(region),
            Err(error) => {
                self.problem(block.line_of("region"), error.to_string());
                None
            }
        });
        let made = ProfileName::parse(name).map_err(|error| (block.line, error)).and_then(|name| {
            Ok(Profile {
                name,
                session: session.clone(),
                account_id: AccountId::parse(account)
                    .map_err(|error| (block.line_of(&account_key), error))?,
                role_name: RoleName::parse(role).map_err(|error| (block.line_of(&role_key), error))?,
                region,
                aws_form: !ssod_form,
            })
        });
        match made {
            Ok(profile) => {
                self.profile_endpoints(&session, block);
                self.configuration.profiles.insert(profile.name.clone(), profile);
            }
            Err((line, error)) => self.problem(line, error.to_string()),
        }
    }

    fn named_session(
        &mut self,
        profile: &str,
        session: &str,
        key: &str,
        inline: bool,
        block: &Block,
    ) -> Option<SessionName> {
        if inline {
            let line = block.line_of("sso_start_url");
            self.problem(line, format!("profile {profile} has both {key} and sso_start_url, which some SDKs refuse; remove sso_start_url and sso_region"));
        }
        let found =
            SessionName::parse(session).ok().filter(|name| self.configuration.sessions.contains_key(name));
        if found.is_none() {
            let line = block.line_of(key);
            self.problem(
                line,
                format!("profile {profile}: there is no complete [sso-session {session}] in the file"),
            );
        }
        found
    }

    /// The session that a profile with an inline start URL implies; profiles with the same start URL share it,
    /// as they share the AWS CLI's token.
    fn legacy_session(&mut self, profile: &str, url: &str, block: &Block) -> Option<SessionName> {
        let Some(region) = block.text("sso_region") else {
            self.problem(block.line, format!("profile {profile} needs sso_region beside sso_start_url"));
            return None;
        };
        let endpoints = self.endpoints(None);
        let scopes = vec![DEFAULT_SCOPE.to_owned()];
        let made = SessionName::parse(url)
            .map_err(|error| (block.line, error))
            .and_then(|name| make_session(name, url, region, scopes, endpoints, block));
        match made {
            Ok(session) => {
                let name = session.name.clone();
                self.configuration.sessions.entry(name.clone()).or_insert(session);
                Some(name)
            }
            Err((line, error)) => {
                self.problem(line, error.to_string());
                None
            }
        }
    }

    /// A profile's own endpoint settings count for its session, because sessions cannot carry any.
    fn profile_endpoints(&mut self, session: &SessionName, block: &Block) {
        let endpoints = self.endpoints(Some(block));
        if let Some(session) = self.configuration.sessions.get_mut(session) {
            let known = &mut session.endpoints;
            known.portal = known.portal.take().or(endpoints.portal);
            known.oidc = known.oidc.take().or(endpoints.oidc);
            known.fips |= endpoints.fips;
            known.dual_stack |= endpoints.dual_stack;
        }
    }

    /// The order of protocol.md 2.4: variables, then `[services]`, then the profile's `endpoint_url`.
    fn endpoints(&self, profile: Option<&Block>) -> Endpoints {
        let environment = self.environment;
        let ignore = environment.ignore_configured
            || profile.and_then(|block| block.flag("ignore_configured_endpoint_urls")).unwrap_or(false);
        let services = profile.and_then(|block| self.services.get(block.text("services")?));
        let configured = |service: &str| {
            let nested = services.and_then(|block| block.nested.get(&format!("{service}.endpoint_url")));
            nested
                .map(String::as_str)
                .or_else(|| profile?.text("endpoint_url"))
                .filter(|_| !ignore)
                .map(str::to_owned)
        };
        let flag =
            |variable: Option<bool>, key: &str| variable.or_else(|| profile?.flag(key)).unwrap_or(false);
        Endpoints {
            portal: environment.portal.clone().or_else(|| configured("sso")),
            oidc: environment.oidc.clone().or_else(|| configured("sso_oidc")),
            fips: flag(environment.fips, "use_fips_endpoint"),
            dual_stack: flag(environment.dual_stack, "use_dualstack_endpoint"),
        }
    }
}

fn make_session(
    name: SessionName,
    url: &str,
    region: &str,
    scopes: Vec<String>,
    endpoints: Endpoints,
    block: &Block,
) -> Result<SsoSession, (usize, InvalidName)> {
    Ok(SsoSession {
        name,
        start_url: StartUrl::parse(url).map_err(|error| (block.line_of("sso_start_url"), error))?,
        region: Region::parse(region).map_err(|error| (block.line_of("sso_region"), error))?,
        scopes,
        endpoints,
    })
}

/// The keys that ssod reads; the rest of the file is other tools' business and gets no remarks.
fn is_ours(key: &str) -> bool {
    key.starts_with("sso_") || key.starts_with("ssod_") || key == "region"
}

#[cfg(test)]
mod tests;
