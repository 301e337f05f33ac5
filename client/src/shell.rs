//! The environment variables that select a profile, in the syntax of each shell.

use clap::ValueEnum;
use serde_json::{Map, Value};
use ssod_control::{ControlClient, EnvRequest, Environment};

use crate::error::CommandResult;

/// The syntax of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Sh,
    Bash,
    Zsh,
    Fish,
    Powershell,
    /// A JSON object of all variables; null means that the variable must be unset.
    Json,
}

/// Variables that SDKs prefer over the container credentials endpoint.
pub(crate) const OVERRIDING_VARIABLES: [&str; 9] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_PROFILE",
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
pub(crate) const PROXIES: [&str; 6] =
    ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const LOOPBACK: &str = "127.0.0.1";

/// The variables to set and to unset, in the order of the output.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ShellVariables {
    pub(crate) set: Vec<(&'static str, String)>,
    pub(crate) unset: Vec<&'static str>,
}

impl ShellVariables {
    /// Fetches the variables of the profile, or of the active profile if there is no name. The daemon refuses if it
    /// does not hold the endpoint's port, so a shell never sends its token to another program.
    pub(crate) fn fetch(client: &ControlClient, profile: Option<&str>, imds: bool) -> CommandResult<Self> {
        let request = EnvRequest { profile: profile.map(str::to_owned), imds };
        let environment: Environment = client.post("/v1/env", &request)?;
        Ok(Self::new(&environment, |name| std::env::var(name).ok()))
    }

    /// Returns the variables for the daemon's response; `current` reads this process's environment.
    pub(crate) fn new(environment: &Environment, current: impl Fn(&str) -> Option<String>) -> Self {
        let mut variables = Self { unset: OVERRIDING_VARIABLES.to_vec(), ..Self::default() };
        let mut set = |name, value: &Option<String>| {
            if let Some(value) = value {
                variables.set.push((name, value.clone()));
            }
        };
        if let Some(endpoint) = &environment.imds_endpoint {
            set("AWS_EC2_METADATA_SERVICE_ENDPOINT", &environment.imds_endpoint);
            set("AWS_METADATA_ENDPOINT", &Some(endpoint.trim_end_matches('/').to_owned()));
            set("AWS_EC2_METADATA_V1_DISABLED", &Some("true".to_owned()));
            variables.unset.extend(CONTAINER);
            variables.unset.extend(["AWS_EC2_METADATA_DISABLED", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"]);
        } else {
            set("AWS_CONTAINER_CREDENTIALS_FULL_URI", &environment.credentials_uri);
            set("AWS_CONTAINER_AUTHORIZATION_TOKEN", &environment.token);
            set("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &environment.token_file);
        }
        for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
            if let Some(region) = &environment.region {
                variables.set.push((name, region.clone()));
            }
        }
        if PROXIES.iter().any(|name| current(name).is_some_and(|value| !value.is_empty())) {
            for (name, other) in [("NO_PROXY", "no_proxy"), ("no_proxy", "NO_PROXY")] {
                let list = current(name).or_else(|| current(other)).unwrap_or_default();
                variables.set.push((name, with_loopback(&list)));
            }
        }
        variables
    }

    /// Returns lines for the shell to evaluate, or one JSON object.
    pub(crate) fn render(&self, shell: Shell) -> String {
        if shell == Shell::Json {
            let unset = self.unset.iter().map(|name| ((*name).to_owned(), Value::Null));
            let set = self.set.iter().map(|(name, value)| ((*name).to_owned(), Value::String(value.clone())));
            let object: Map<_, _> = unset.chain(set).collect();
            return format!("{}\n", Value::Object(object));
        }
        let unset = self.unset.iter().map(|name| match shell {
            Shell::Fish => format!("set -e {name};\n"),
            Shell::Powershell => format!("Remove-Item Env:{name} -ErrorAction SilentlyContinue\n"),
            Shell::Sh | Shell::Bash | Shell::Zsh | Shell::Json => format!("unset {name}\n"),
        });
        let set = self.set.iter().map(|(name, value)| match shell {
            Shell::Fish => format!("set -gx {name} {};\n", quote_fish(value)),
            Shell::Powershell => format!("$Env:{name} = {}\n", quote_powershell(value)),
            Shell::Sh | Shell::Bash | Shell::Zsh | Shell::Json => {
                format!("export {name}={}\n", quote_sh(value))
            }
        });
        unset.chain(set).collect()
    }
}

/// Returns the shell that runs ssod, else the one in SHELL, else sh. The parent process has precedence, because scripts
/// often run in a shell other than the user's login shell.
pub(crate) fn detect(parent: Option<&str>, shell: Option<&str>) -> Shell {
    let named = |name: &str| match name.rsplit('/').next().unwrap_or_default().trim_start_matches('-') {
        "fish" => Some(Shell::Fish),
        "zsh" => Some(Shell::Zsh),
        "bash" => Some(Shell::Bash),
        "pwsh" | "powershell" => Some(Shell::Powershell),
        "sh" | "dash" | "ash" | "ksh" => Some(Shell::Sh),
        _ => None,
    };
    parent.and_then(named).or_else(|| shell.and_then(named)).unwrap_or(Shell::Sh)
}

/// Returns the name of the program that started ssod, where /proc has it.
pub(crate) fn parent() -> Option<String> {
    let name = std::fs::read_to_string(format!("/proc/{}/comm", std::os::unix::process::parent_id())).ok()?;
    Some(name.trim().to_owned())
}

/// Returns whether a NO_PROXY list excludes loopback from the proxy.
pub(crate) fn bypasses_proxy(list: &str) -> bool {
    list.split(',').any(|entry| entry.trim() == LOOPBACK || entry.trim() == "*")
}

fn with_loopback(list: &str) -> String {
    if bypasses_proxy(list) {
        return list.to_owned();
    }
    if list.is_empty() { LOOPBACK.to_owned() } else { format!("{list},{LOOPBACK}") }
}

fn quote_sh(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

fn quote_fish(value: &str) -> String {
    format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
}

/// PowerShell treats typographic quotes as plain ones.
fn quote_powershell(value: &str) -> String {
    let doubled: String = value
        .chars()
        .flat_map(|character| {
            let times = if matches!(character, '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}') {
                2
            } else {
                1
            };
            std::iter::repeat_n(character, times)
        })
        .collect();
    format!("'{doubled}'")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container() -> Environment {
        Environment {
            profile: Some("a".into()),
            credentials_uri: Some("http://127.0.0.1:7746/credentials/it's%20a".into()),
            token: Some("tok".into()),
            token_file: Some("/run/user/1/ssod/tokens/profile-a".into()),
            imds_endpoint: None,
            region: Some("us-east-1".into()),
        }
    }

    #[test]
    fn each_shell_gets_its_own_syntax() {
        let variables = ShellVariables::new(&container(), |_| None);
        let sh = variables.render(Shell::Sh);
        assert!(sh.contains("unset AWS_PROFILE\n"));
        assert!(sh.contains(
            "export AWS_CONTAINER_CREDENTIALS_FULL_URI='http://127.0.0.1:7746/credentials/it'\\''s%20a'\n"
        ));
        assert!(variables.render(Shell::Fish).contains("set -gx AWS_REGION 'us-east-1';\n"));
        assert!(variables.render(Shell::Powershell).contains("credentials/it''s%20a'\n"));
        let json: Value = serde_json::from_str(&variables.render(Shell::Json)).unwrap();
        assert_eq!(json["AWS_PROFILE"], Value::Null);
        assert_eq!(json["AWS_CONTAINER_AUTHORIZATION_TOKEN"], "tok");
    }

    #[test]
    fn loopback_is_excluded_from_a_proxy() {
        let current = |name: &str| match name {
            "HTTPS_PROXY" => Some("http://proxy:3128".to_owned()),
            "no_proxy" => Some("intranet".to_owned()),
            _ => None,
        };
        let set = ShellVariables::new(&container(), current).set;
        assert!(set.contains(&("NO_PROXY", "intranet,127.0.0.1".into())));
        assert!(set.contains(&("no_proxy", "intranet,127.0.0.1".into())));
        assert!(!ShellVariables::new(&container(), |_| None).set.iter().any(|(name, _)| *name == "NO_PROXY"));
    }

    #[test]
    fn the_parent_shell_has_precedence_over_the_login_shell() {
        assert_eq!(detect(Some("bash"), Some("/usr/bin/fish")), Shell::Bash);
        assert_eq!(detect(Some("make"), Some("/usr/bin/fish")), Shell::Fish);
        assert_eq!(detect(Some("-zsh"), None), Shell::Zsh);
        assert_eq!(detect(None, None), Shell::Sh);
    }

    #[test]
    fn imds_unsets_the_container_endpoint() {
        let environment = Environment {
            imds_endpoint: Some("http://127.0.0.1:7747/".into()),
            credentials_uri: None,
            token: None,
            token_file: None,
            ..container()
        };
        let variables = ShellVariables::new(&environment, |_| None);
        assert!(
            variables.set.contains(&("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:7747/".into()))
        );
        assert!(variables.unset.contains(&"AWS_CONTAINER_CREDENTIALS_FULL_URI"));
    }
}
