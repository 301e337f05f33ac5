//! The environment variables that select a profile in a shell.

use ssod_control::{ControlClient, EnvRequest, Environment};

use crate::context::CommandContext;
use crate::error::CommandResult;
use crate::precedence::{AwsFiles, Selection};

/// Variables that AWS tools prefer over ssod, or that make them use another identity.
pub(crate) const OVERRIDING: [&str; 14] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    // What the first SDKs for Go and Java read.
    "AWS_ACCESS_KEY",
    "AWS_SECRET_KEY",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_CREDENTIAL_FILE",
    "AWS_BEARER_TOKEN_BEDROCK",
    PROFILE,
    "AWS_DEFAULT_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
];
const CONTAINER: [&str; 3] = [
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];
const IMDS: [&str; 3] =
    ["AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_METADATA_ENDPOINT", "AWS_EC2_METADATA_V1_DISABLED"];
const IMDS_OVERRIDING: [&str; 2] = ["AWS_EC2_METADATA_DISABLED", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"];
const REGIONS: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
const NO_PROXY: [&str; 2] = ["NO_PROXY", "no_proxy"];
pub(crate) const PROXIES: [&str; 6] =
    ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const LOOPBACK: &str = "127.0.0.1";
const PROFILE: &str = "AWS_PROFILE";
/// The profile that the shell uses, for the shell's prompt and for `ssod status`.
pub(crate) const SHELL_PROFILE: &str = "SSOD_PROFILE";
/// The names of the variables that ssod has set in this shell, so that it can remove exactly those.
const RECORD: &str = "SSOD_VARIABLES";

/// The variables to set and to unset, in order. No variable is in both lists.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Variables {
    pub(crate) set: Vec<(&'static str, String)>,
    pub(crate) unset: Vec<&'static str>,
}

impl Variables {
    /// Fetches the profile's environment; without a profile, that of the active one. Fails if AWS tools would find
    /// other credentials first. The daemon refuses if it does not hold the endpoint's port, so a shell never sends its
    /// token to another program.
    pub(crate) fn fetch(
        context: &CommandContext,
        client: &ControlClient,
        profile: Option<&str>,
        imds: bool,
    ) -> CommandResult<Self> {
        let request = EnvRequest { profile: profile.map(str::to_owned), imds };
        let environment: Environment = client.post("/v1/env", &request)?;
        let selection = AwsFiles::read(&context.paths)?.select(profile)?;
        Ok(Self::new(&environment, &selection, current))
    }

    /// Returns the variables for the daemon's answer; `current` reads this process's environment.
    pub(crate) fn new(
        environment: &Environment,
        selection: &Selection,
        current: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let removed = Self::removing(&current);
        // The shell as it was before an earlier `ssod env`.
        let original = |name: &str| match removed.set.iter().find(|(set, _)| *set == name) {
            Some((_, value)) => Some(value.clone()),
            None => current(name).filter(|_| !removed.unset.contains(&name)),
        };
        let mut set: Vec<(&'static str, String)> = Vec::new();
        if let Some(endpoint) = &environment.imds_endpoint {
            let [service, metadata, no_v1] = IMDS;
            set.push((service, endpoint.clone()));
            set.push((metadata, endpoint.trim_end_matches('/').to_owned()));
            set.push((no_v1, "true".to_owned()));
        }
        let container = [&environment.credentials_uri, &environment.token, &environment.token_file];
        let container = CONTAINER.into_iter().zip(container);
        set.extend(container.filter_map(|(name, value)| Some((name, value.clone()?))));
        if let Selection::Profile(profile) = selection {
            set.push((PROFILE, profile.clone()));
        }
        if let Some(profile) = &environment.profile {
            set.push((SHELL_PROFILE, profile.clone()));
        }
        if let Some(region) = &environment.region {
            set.extend(REGIONS.map(|name| (name, region.clone())));
        }
        if PROXIES.iter().any(|name| original(name).is_some_and(|value| !value.is_empty())) {
            set.extend(
                lists_without_proxy(&original).filter(|(name, list)| original(name).as_ref() != Some(list)),
            );
        }
        set.push((RECORD, set.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" ")));
        let is_set = |name: &str| set.iter().any(|(set, _)| *set == name);
        let imds = IMDS_OVERRIDING.into_iter().filter(|_| environment.imds_endpoint.is_some());
        let unset = OVERRIDING.into_iter().chain(imds);
        let mut unset: Vec<&'static str> = unset.filter(|name| !is_set(name)).collect();
        let stale: Vec<_> =
            removed.unset.iter().filter(|name| !is_set(name) && !unset.contains(name)).collect();
        unset.extend(stale);
        let restored: Vec<_> = removed.set.iter().filter(|(name, _)| !is_set(name)).cloned().collect();
        set.extend(restored);
        Self { set, unset }
    }

    /// Returns what removes the variables that an earlier `ssod env` has set in this shell.
    pub(crate) fn removing(current: impl Fn(&str) -> Option<String>) -> Self {
        let record = current(RECORD).unwrap_or_default();
        let was_set = |name: &&'static str| record.split(' ').any(|recorded| recorded == *name);
        let mut variables = Self::default();
        for name in NO_PROXY.into_iter().filter(|name| was_set(name)) {
            match without_loopback(&current(name).unwrap_or_default()) {
                Some(list) => variables.set.push((name, list)),
                None => variables.unset.push(name),
            }
        }
        let recorded = [PROFILE].into_iter().chain(IMDS).chain(REGIONS).filter(was_set);
        variables.unset.extend(CONTAINER.into_iter().chain(recorded).chain([SHELL_PROFILE, RECORD]));
        variables
    }

    /// Returns what leaves a shell without any identity: for a shell whose new profile cannot be used.
    pub(crate) fn without_identity(current: impl Fn(&str) -> Option<String>) -> Self {
        let mut variables = Self::removing(current);
        let others = OVERRIDING.into_iter().chain(IMDS).filter(|name| !variables.unset.contains(name));
        let others: Vec<_> = others.collect();
        variables.unset.extend(others);
        variables
    }
}

/// Reads a variable of this process.
pub(crate) fn current(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Returns whether a NO_PROXY list excludes loopback from the proxy.
pub(crate) fn bypasses_proxy(list: &str) -> bool {
    list.split(',').any(|entry| entry.trim() == LOOPBACK || entry.trim() == "*")
}

/// Returns the lists of hosts that are called without the proxy, with loopback.
fn lists_without_proxy(
    current: &impl Fn(&str) -> Option<String>,
) -> impl Iterator<Item = (&'static str, String)> {
    let [upper, lower] = NO_PROXY;
    [(upper, lower), (lower, upper)].into_iter().map(|(name, other)| {
        (name, with_loopback(&current(name).or_else(|| current(other)).unwrap_or_default()))
    })
}

fn with_loopback(list: &str) -> String {
    if bypasses_proxy(list) {
        return list.to_owned();
    }
    if list.is_empty() { LOOPBACK.to_owned() } else { format!("{list},{LOOPBACK}") }
}

/// Returns the list without the entry that [`with_loopback`] has added; `None` if nothing is left.
fn without_loopback(list: &str) -> Option<String> {
    let list = list.strip_suffix(LOOPBACK).map_or(list, |list| list.trim_end_matches(','));
    Some(list).filter(|list| !list.is_empty()).map(str::to_owned)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn container() -> Environment {
        Environment {
            profile: Some("a".into()),
            credentials_uri: Some("http://127.0.0.1:7746/credentials/it's%20a".into()),
            token: Some("tok".into()),
            token_file: Some("/run/user/1/ssod/tokens/profile-a".into()),
            imds_endpoint: None,
            region: Some("us-east-1".into()),
        }
    }

    fn imds() -> Environment {
        Environment {
            imds_endpoint: Some("http://127.0.0.1:7747/".into()),
            credentials_uri: None,
            token: None,
            token_file: None,
            ..container()
        }
    }

    /// Applies the variables to an environment.
    fn apply(variables: &Variables, environment: &mut Vec<(String, String)>) {
        let changed =
            |name: &str| variables.unset.contains(&name) || variables.set.iter().any(|(set, _)| *set == name);
        environment.retain(|(name, _)| !changed(name));
        environment.extend(variables.set.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        environment.sort();
    }

    fn read(environment: &[(String, String)]) -> impl Fn(&str) -> Option<String> {
        |name| environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    fn owned(environment: &[(&str, &str)]) -> Vec<(String, String)> {
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn loopback_is_excluded_from_a_proxy() {
        let shell = owned(&[("HTTPS_PROXY", "http://proxy:3128"), ("no_proxy", "intranet")]);
        let set = Variables::new(&container(), &Selection::Endpoint, read(&shell)).set;
        assert!(set.contains(&("NO_PROXY", "intranet,127.0.0.1".into())));
        assert!(set.contains(&("no_proxy", "intranet,127.0.0.1".into())));
        let set = Variables::new(&container(), &Selection::Endpoint, |_| None).set;
        assert!(!set.iter().any(|(name, _)| *name == "NO_PROXY"));
    }

    #[test]
    fn a_list_of_the_users_that_has_loopback_is_never_changed() {
        let own =
            owned(&[("HTTP_PROXY", "http://p"), ("NO_PROXY", "127.0.0.1"), ("no_proxy", "x,127.0.0.1")]);
        let mut shell = own.clone();
        for _ in 0..2 {
            apply(&Variables::new(&container(), &Selection::Endpoint, read(&shell.clone())), &mut shell);
        }
        apply(&Variables::removing(read(&shell.clone())), &mut shell);
        assert_eq!(shell, own);
    }

    #[test]
    fn imds_turns_the_container_endpoint_off() {
        let variables = Variables::new(&imds(), &Selection::Endpoint, |_| None);
        let endpoint = ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:7747/".into());
        assert!(variables.set.contains(&endpoint));
        assert!(variables.unset.contains(&"AWS_CONTAINER_CREDENTIALS_FULL_URI"));
    }

    #[test]
    fn a_profile_is_selected_and_every_other_identity_is_removed() {
        let other = OVERRIDING.map(|name| (name.to_owned(), "other".to_owned()));
        for environment in [container(), imds()] {
            let mut shell = other.to_vec();
            let variables = Variables::new(&environment, &Selection::Profile("a".into()), read(&other));
            apply(&variables, &mut shell);
            assert!(!shell.iter().any(|(_, value)| value == "other"), "{shell:?}");
            assert_eq!(read(&shell)("AWS_PROFILE").as_deref(), Some("a"));
            let mut shell = other.to_vec();
            apply(&Variables::new(&environment, &Selection::Endpoint, read(&other)), &mut shell);
            assert_eq!(read(&shell)("AWS_PROFILE"), None);
        }
    }

    #[test]
    fn what_was_set_is_removed_and_nothing_else() {
        let own = [("EDITOR", "vi"), ("HTTP_PROXY", "http://p"), ("NO_PROXY", "intranet")];
        for environment in [container(), imds()] {
            let mut shell = owned(&own);
            for _ in 0..2 {
                let selection = Selection::Profile("a".into());
                apply(&Variables::new(&environment, &selection, read(&shell.clone())), &mut shell);
            }
            assert_eq!(read(&shell)("SSOD_PROFILE").as_deref(), Some("a"));
            apply(&Variables::removing(read(&shell.clone())), &mut shell);
            let mut expected = owned(&own);
            expected.push(("no_proxy".to_owned(), "intranet".to_owned()));
            assert_eq!(shell, expected);
        }
        let mut shell = owned(&[("AWS_PROFILE", "mine"), ("AWS_REGION", "eu-west-1")]);
        apply(&Variables::removing(read(&shell.clone())), &mut shell);
        assert_eq!(shell, owned(&[("AWS_PROFILE", "mine"), ("AWS_REGION", "eu-west-1")]));
    }

    #[test]
    fn the_next_profile_inherits_nothing_from_the_one_before() {
        let mut shell = Vec::new();
        apply(&Variables::new(&imds(), &Selection::Profile("a".into()), |_| None), &mut shell);
        let active = Environment { profile: None, region: None, ..container() };
        apply(&Variables::new(&active, &Selection::Endpoint, read(&shell.clone())), &mut shell);
        let names: Vec<_> = shell.iter().map(|(name, _)| name.as_str()).collect();
        let mut expected = CONTAINER.to_vec();
        expected.push(RECORD);
        expected.sort_unstable();
        assert_eq!(names, expected);
    }

    #[test]
    fn a_shell_whose_profile_cannot_be_used_has_no_identity() {
        let mut shell = owned(&[("AWS_PROFILE", "adminUser"), ("AWS_ACCESS_KEY_ID", "AKIA")]);
        apply(&Variables::new(&container(), &Selection::Endpoint, |_| None), &mut shell);
        shell.push(("AWS_PROFILE".to_owned(), "adminUser".to_owned()));
        apply(&Variables::without_identity(read(&shell.clone())), &mut shell);
        assert_eq!(shell, []);
    }
}
