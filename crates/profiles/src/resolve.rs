//! Resolves the blocks of a file to sessions and profiles, and reports their problems.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;

use ssod_model::{
    AccountId, Endpoints, InvalidName, Profile, ProfileName, Region, RoleName, SessionName, SsoSession,
    StartUrl,
};

use crate::blocks::{Block, BlockReader};
use crate::{ConfigProblem, Document, EndpointVariables, ProblemKind, Section};

/// The scope that the AWS CLI requests in the browser flow if none is configured.
const DEFAULT_SCOPE: &str = "sso:account:access";

/// The sessions and profiles of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    /// Every session that is complete.
    pub sessions: BTreeMap<SessionName, SsoSession>,
    /// Every profile that names an account and a role through one of these sessions.
    pub profiles: BTreeMap<ProfileName, Profile>,
    /// The profiles that assume a role with the credentials of another profile, with the name of that one.
    pub sources: BTreeMap<String, String>,
    /// The problems, in the order of their lines.
    pub problems: Vec<ConfigProblem>,
}

/// Resolves a parsed file. It cannot fail: a part that is not valid is left out and reported.
pub fn resolve(document: &Document<'_>, variables: &EndpointVariables) -> Configuration {
    let BlockReader { blocks, problems, .. } = BlockReader::read(document);
    let services = blocks.iter().filter_map(|block| match block.section {
        Section::Services(name) => Some((name.as_str(), block)),
        _ => None,
    });
    let configuration = Configuration { problems, ..Configuration::default() };
    let mut resolver = Resolver {
        variables,
        services: services.collect(),
        configuration,
        endpoints: BTreeMap::new(),
        portals: HashMap::new(),
        accounts: SharedNames::default(),
        roles: SharedNames::default(),
        regions: SharedNames::default(),
    };
    // Sessions first, because profiles refer to them.
    for block in &blocks {
        if let Section::SsoSession(name) = block.section {
            resolver.session(name, block);
        }
    }
    for block in &blocks {
        if let Section::Profile(name) = block.section {
            resolver.profile(name, block);
        }
    }
    resolver.share_endpoints();
    resolver.configuration.problems.sort_by_key(|problem| problem.line);
    resolver.configuration
}

/// The keys of one form of profile.
struct ProfileKeys {
    is_aws_form: bool,
    session: &'static str,
    account: &'static str,
    role: &'static str,
}

const AWS_KEYS: ProfileKeys = ProfileKeys {
    is_aws_form: true,
    session: "sso_session",
    account: "sso_account_id",
    role: "sso_role_name",
};
const SSOD_KEYS: ProfileKeys = ProfileKeys {
    is_aws_form: false,
    session: "ssod_session",
    account: "ssod_account_id",
    role: "ssod_role_name",
};

/// How many profiles a chain may have before the one that has credentials.
const MAX_CHAIN: usize = 5;

impl Configuration {
    /// Returns the profile that signs in for a chained profile: the first one of its chain that has an Identity Center
    /// role.
    pub fn source_of(&self, profile: &str) -> Option<&ProfileName> {
        let next = |name: &&String| self.sources.get(*name);
        let chain = std::iter::successors(self.sources.get(profile), next).take(MAX_CHAIN);
        let found = |name: &String| self.profiles.get_key_value(&ProfileName::parse(name).ok()?);
        chain.into_iter().find_map(found).map(|(name, _)| name)
    }
}

impl ProfileKeys {
    /// Returns the keys of the profile's form; `None` if it does not use Identity Center.
    fn of(block: &Block<'_>) -> Option<&'static Self> {
        if block.has_prefix("ssod_") {
            return Some(&SSOD_KEYS);
        }
        (block.has(AWS_KEYS.account) || block.has(AWS_KEYS.role)).then_some(&AWS_KEYS)
    }
}

struct Resolver<'a> {
    variables: &'a EndpointVariables,
    services: BTreeMap<&'a str, &'a Block<'a>>,
    configuration: Configuration,
    /// What each profile says about its endpoints.
    endpoints: BTreeMap<ProfileName, ProfileEndpoints>,
    /// The sessions of the profiles that have a start URL of their own, by portal.
    portals: HashMap<String, SessionName>,
    accounts: SharedNames<AccountId>,
    roles: SharedNames<RoleName>,
    regions: SharedNames<Region>,
}

/// Makes equal names share their text: thousands of profiles may name few accounts, roles and regions.
struct SharedNames<N>(HashSet<N>);

impl<N> Default for SharedNames<N> {
    fn default() -> Self {
        Self(HashSet::new())
    }
}

impl<N: Clone + Eq + Hash> SharedNames<N> {
    fn share(&mut self, name: N) -> N {
        if let Some(known) = self.0.get(&name) {
            return known.clone();
        }
        self.0.insert(name.clone());
        name
    }
}

/// A profile's endpoints.
#[derive(Clone, PartialEq, Eq)]
struct ProfileEndpoints {
    /// The `[services]` section that it names.
    services: Option<String>,
    endpoints: Endpoints,
}

impl Resolver<'_> {
    fn problem(&mut self, line: usize, kind: ProblemKind) {
        self.configuration.problems.push(ConfigProblem { line, kind });
    }

    fn session(&mut self, name: &str, block: &Block<'_>) {
        let (Some(url), Some(region)) = (block.text("sso_start_url"), block.text("sso_region")) else {
            return self.problem(block.line, ProblemKind::IncompleteSession { session: name.to_owned() });
        };
        // Without a scope AWS returns a token that cannot be renewed.
        let scopes = block.text("sso_registration_scopes").unwrap_or(DEFAULT_SCOPE);
        let scopes =
            scopes.split(',').map(str::trim).filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
        match self.build_session(name, url, region, scopes, block) {
            Ok(session) => {
                self.configuration.sessions.insert(session.name.clone(), session);
            }
            Err(problem) => self.configuration.problems.push(problem),
        }
    }

    fn build_session(
        &self,
        name: &str,
        url: &str,
        region: &str,
        scopes: Vec<String>,
        block: &Block<'_>,
    ) -> Result<SsoSession, ConfigProblem> {
        Ok(SsoSession {
            name: SessionName::parse(name).map_err(invalid_section(block))?,
            start_url: StartUrl::parse(url).map_err(block.invalid("sso_start_url"))?,
            region: Region::parse(region).map_err(block.invalid("sso_region"))?,
            scopes,
            endpoints: self.endpoints(None).endpoints,
        })
    }

    fn profile(&mut self, name: &str, block: &Block<'_>) {
        if let (Some(_), Some(source)) = (block.text("role_arn"), block.text("source_profile")) {
            self.configuration.sources.insert(name.to_owned(), source.to_owned());
        }
        let Some(keys) = ProfileKeys::of(block) else { return };
        match self.build_profile(name, keys, block) {
            Ok(profile) => {
                self.endpoints.insert(profile.name.clone(), self.endpoints(Some(block)));
                self.configuration.profiles.insert(profile.name.clone(), profile);
            }
            Err(problem) => self.configuration.problems.push(problem),
        }
    }

    /// Builds the profile, or returns what makes it unusable. Other problems in it are reported on the way.
    fn build_profile(
        &mut self,
        name: &str,
        keys: &ProfileKeys,
        block: &Block<'_>,
    ) -> Result<Profile, ConfigProblem> {
        let (Some(account), Some(role)) = (block.text(keys.account), block.text(keys.role)) else {
            let kind = ProblemKind::IncompleteProfile {
                profile: name.to_owned(),
                account_key: keys.account,
                role_key: keys.role,
            };
            return Err(ConfigProblem { line: block.line, kind });
        };
        let session = self.session_of(name, keys, block)?;
        let region = block.text("region").and_then(|text| match Region::parse(text) {
            Ok(region) => Some(self.regions.share(region)),
            Err(error) => {
                self.problem(block.line_of("region"), ProblemKind::InvalidName(error));
                None
            }
        });
        let (account_id, role_name) = (AccountId::parse(account), RoleName::parse(role));
        Ok(Profile {
            name: ProfileName::parse(name).map_err(invalid_section(block))?,
            session,
            account_id: self.accounts.share(account_id.map_err(block.invalid(keys.account))?),
            role_name: self.roles.share(role_name.map_err(block.invalid(keys.role))?),
            region,
            aws_form: keys.is_aws_form,
            endpoints: None,
        })
    }

    /// Returns the session that a profile names, or that its own start URL implies.
    fn session_of(
        &mut self,
        profile: &str,
        keys: &ProfileKeys,
        block: &Block<'_>,
    ) -> Result<SessionName, ConfigProblem> {
        let (session_key, profile) = (keys.session, profile.to_owned());
        match (block.text(session_key), block.text("sso_start_url")) {
            (Some(session), start_url) => {
                if start_url.is_some() {
                    let line = block.line_of("sso_start_url");
                    self.problem(line, ProblemKind::TwoSessions { profile: profile.clone(), session_key });
                }
                let name = SessionName::parse(session).ok();
                let known = name.and_then(|name| self.configuration.sessions.get_key_value(&name));
                // The profiles share the name of their session.
                known.map(|(name, _)| name.clone()).ok_or_else(|| {
                    let kind = ProblemKind::UnknownSession { profile, session: session.to_owned() };
                    ConfigProblem { line: block.line_of(session_key), kind }
                })
            }
            (None, Some(url)) if keys.is_aws_form => self.legacy_session(profile, url, block),
            (None, _) => {
                Err(ConfigProblem { line: block.line, kind: ProblemKind::NoSession { profile, session_key } })
            }
        }
    }

    /// Adds the session that a profile with its own start URL implies. Profiles with the same portal share it. It is
    /// named after the start URL that comes first in the file, as the AWS CLI's token is.
    fn legacy_session(
        &mut self,
        profile: String,
        url: &str,
        block: &Block<'_>,
    ) -> Result<SessionName, ConfigProblem> {
        let region = block.text("sso_region").ok_or(ConfigProblem {
            line: block.line,
            kind: ProblemKind::NoSsoRegion { profile: profile.clone() },
        })?;
        let session = self.build_session(url, url, region, vec![DEFAULT_SCOPE.to_owned()], block)?;
        let portal = session.start_url.portal().to_owned();
        let name = self.portals.entry(portal).or_insert_with(|| session.name.clone()).clone();
        let shared = self.configuration.sessions.entry(name.clone()).or_insert_with(|| session.clone());
        if shared.region != session.region {
            let kind = ProblemKind::TwoRegions { profile, region: shared.region.to_string() };
            self.problem(block.line_of("sso_region"), kind);
        }
        Ok(name)
    }

    /// Returns the endpoints of a profile, or of all sessions: a variable, else the `[services]` section that the
    /// profile names. A bare `endpoint_url` is meant for other services.
    fn endpoints(&self, profile: Option<&Block<'_>>) -> ProfileEndpoints {
        let variables = self.variables;
        let is_ignored = variables.ignore_configured
            || profile.and_then(|block| block.flag("ignore_configured_endpoint_urls")).unwrap_or(false);
        let services = profile.and_then(|block| block.text("services")).filter(|_| !is_ignored);
        let section = services.and_then(|name| self.services.get(name));
        let configured = |service: &str| {
            section.and_then(|block| block.nested(service, "endpoint_url")).map(str::to_owned)
        };
        let flag =
            |variable: Option<bool>, key: &str| variable.or_else(|| profile?.flag(key)).unwrap_or(false);
        let endpoints = Endpoints {
            portal: variables.portal.clone().or_else(|| configured("sso")),
            oidc: variables.oidc.clone().or_else(|| configured("sso_oidc")),
            fips: flag(variables.fips, "use_fips_endpoint"),
            dual_stack: flag(variables.dual_stack, "use_dualstack_endpoint"),
        };
        ProfileEndpoints { services: services.map(str::to_owned), endpoints }
    }

    /// Gives a session the endpoints on which all its profiles agree; otherwise each profile has its own, for its own
    /// calls only. So no profile redirects the sign-in or the calls of another.
    fn share_endpoints(&mut self) {
        let mut of_session: BTreeMap<&SessionName, Vec<&ProfileEndpoints>> = BTreeMap::new();
        for profile in self.configuration.profiles.values() {
            of_session.entry(&profile.session).or_default().extend(self.endpoints.get(&profile.name));
        }
        for (session, profiles) in of_session {
            if let Some(session) = self.configuration.sessions.get_mut(session) {
                share(&mut session.endpoints, &profiles);
            }
        }
        for profile in self.configuration.profiles.values_mut() {
            let (Some(own), Some(session)) =
                (self.endpoints.get(&profile.name), self.configuration.sessions.get(&profile.session))
            else {
                continue;
            };
            let own = Endpoints { oidc: session.endpoints.oidc.clone(), ..own.endpoints.clone() };
            profile.endpoints = (own != session.endpoints).then_some(own);
        }
    }
}

/// Changes a session's endpoints to those on which all its profiles agree.
fn share(session: &mut Endpoints, profiles: &[&ProfileEndpoints]) {
    let Some((first, others)) = profiles.split_first() else { return };
    if others.iter().all(|other| other.services == first.services) {
        session.portal.clone_from(&first.endpoints.portal);
        session.oidc.clone_from(&first.endpoints.oidc);
    }
    session.fips = profiles.iter().all(|profile| profile.endpoints.fips);
    session.dual_stack = profiles.iter().all(|profile| profile.endpoints.dual_stack);
}

/// Turns a section name that is not valid into a problem at its header.
fn invalid_section(block: &Block<'_>) -> impl Fn(InvalidName) -> ConfigProblem + use<> {
    let line = block.line;
    move |error| ConfigProblem { line, kind: ProblemKind::InvalidName(error) }
}

#[cfg(test)]
mod tests;
