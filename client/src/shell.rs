//! The environment of a profile, and how each shell is told.

use serde_json::{Map, Value};
use ssod_control::Environment;

use crate::cli::Shell;

/// Would come before the endpoint in every SDK's search.
pub(crate) const SHADOWS: [&str; 9] = [
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

/// What to set and what to unset, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Variables {
    pub(crate) set: Vec<(&'static str, String)>,
    pub(crate) unset: Vec<&'static str>,
}

impl Variables {
    /// The variables for that answer of the daemon; `here` reads this process's own.
    pub(crate) fn new(environment: &Environment, here: impl Fn(&str) -> Option<String>) -> Self {
        let mut variables = Self { unset: SHADOWS.to_vec(), ..Self::default() };
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
        if PROXIES.iter().any(|name| here(name).is_some_and(|value| !value.is_empty())) {
            for (name, other) in [("NO_PROXY", "no_proxy"), ("no_proxy", "NO_PROXY")] {
                let list = here(name).or_else(|| here(other)).unwrap_or_default();
                variables.set.push((name, with_loopback(&list)));
            }
        }
        variables
    }

    /// Lines for that shell to evaluate, or one JSON object.
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

/// The shell that runs us, else the one in SHELL, else the one that every system has. A script of another shell than the
/// person's own is common, so who runs us counts first.
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

/// The name of the program that started us, where the system tells.
pub(crate) fn parent() -> Option<String> {
    let name = std::fs::read_to_string(format!("/proc/{}/comm", std::os::unix::process::parent_id())).ok()?;
    Some(name.trim().to_owned())
}

/// Whether a NO_PROXY list spares loopback.
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

/// PowerShell takes typographic quotes for plain ones.
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
    fn a_shell_is_told_by_its_own_rules() {
        let variables = Variables::new(&container(), |_| None);
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
    fn a_proxy_must_not_catch_loopback() {
        let here = |name: &str| match name {
            "HTTPS_PROXY" => Some("http://proxy:3128".to_owned()),
            "no_proxy" => Some("intranet".to_owned()),
            _ => None,
        };
        let set = Variables::new(&container(), here).set;
        assert!(set.contains(&("NO_PROXY", "intranet,127.0.0.1".into())));
        assert!(set.contains(&("no_proxy", "intranet,127.0.0.1".into())));
        assert!(!Variables::new(&container(), |_| None).set.iter().any(|(name, _)| *name == "NO_PROXY"));
    }

    #[test]
    fn who_runs_us_counts_before_the_persons_own_shell() {
        assert_eq!(detect(Some("bash"), Some("/usr/bin/fish")), Shell::Bash);
        assert_eq!(detect(Some("make"), Some("/usr/bin/fish")), Shell::Fish);
        assert_eq!(detect(Some("-zsh"), None), Shell::Zsh);
        assert_eq!(detect(None, None), Shell::Sh);
    }

    #[test]
    fn imds_switches_the_container_endpoint_off() {
        let environment = Environment {
            imds_endpoint: Some("http://127.0.0.1:7747/".into()),
            credentials_uri: None,
            token: None,
            token_file: None,
            ..container()
        };
        let variables = Variables::new(&environment, |_| None);
        assert!(
            variables.set.contains(&("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:7747/".into()))
        );
        assert!(variables.unset.contains(&"AWS_CONTAINER_CREDENTIALS_FULL_URI"));
    }
}
