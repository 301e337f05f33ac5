//! Connects to the daemon, and starts one if none runs.

use ssod_control::{
    CA_BUNDLE_VARIABLE, ControlClient, DaemonStatus, ENDPOINT_VARIABLES, PROXY_VARIABLES, Paths, first_set,
};
use ssod_model::public_url;

use crate::error::CommandResult;
use crate::{daemon_process, service, terminal};

/// Connects to the daemon, and warns if its version or environment differs from this client's.
pub(crate) fn connect(paths: &Paths) -> CommandResult<ControlClient> {
    let client = connect_quietly(paths)?;
    warn_of_differences(paths, &client.get("/v1/daemon")?);
    Ok(client)
}

/// Connects without that comparison, for commands that run often or that compare by themselves.
pub(crate) fn connect_quietly(paths: &Paths) -> CommandResult<ControlClient> {
    if let Some(client) = daemon_process::find_running(paths)? {
        return Ok(client);
    }
    if service::start_installed()
        && let Some(client) = daemon_process::find_running(paths)?
    {
        return Ok(client);
    }
    daemon_process::start(paths)
}

fn warn_of_differences(paths: &Paths, daemon: &DaemonStatus) {
    let shell = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let differences = differences(paths, daemon, shell);
    for difference in &differences {
        terminal::eprintln(&format!("warning: the ssod daemon {difference}"));
    }
    if !differences.is_empty() {
        terminal::eprintln(&format!(
            "hint: The daemon's value is used. To change that, stop it (kill {}); the next ssod command starts it with \
             the values of this shell",
            daemon.pid
        ));
    }
}

/// Returns how the daemon's version and environment differ from this client's, each as the end of a sentence.
fn differences(paths: &Paths, daemon: &DaemonStatus, shell: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut differences = Vec::new();
    let has_same_version = daemon.version == env!("CARGO_PKG_VERSION");
    if !has_same_version {
        let (daemons, own) = (&daemon.version, env!("CARGO_PKG_VERSION"));
        differences.push(format!("has version {daemons} (this client: {own})"));
    }
    let config_file = paths.aws_config.display().to_string();
    if daemon.config_file != config_file {
        differences.push(format!("reads {} (this client: {config_file})", daemon.config_file));
    }
    let show = |value: Option<String>| value.unwrap_or_else(|| "unset".to_owned());
    for name in ENDPOINT_VARIABLES {
        let own = shell(name).map(|value| public_url(&value));
        let daemons = daemon.overrides.iter().find(|(known, _)| known == name);
        let daemons = daemons.map(|(_, value)| public_url(value));
        if own != daemons {
            differences.push(format!("has {name} {} (this client: {})", show(daemons), show(own)));
        }
    }
    // A daemon of another version may not tell these.
    if has_same_version {
        let proxy = first_set(&PROXY_VARIABLES, &shell).map(|(_, url)| public_url(&url));
        let bundle = shell(CA_BUNDLE_VARIABLE).and_then(|_| Paths::from_variable(CA_BUNDLE_VARIABLE).ok()?);
        let bundle = bundle.map(|path| path.display().to_string());
        for (what, daemons, own) in
            [("the proxy", &daemon.proxy, proxy), ("the CA bundle", &daemon.ca_bundle, bundle)]
        {
            // What config.toml says counts, whatever a shell says.
            let is_setting = daemons.as_ref().is_some_and(|value| value.variable.is_none());
            let daemons = daemons.as_ref().map(|value| value.value.clone());
            if !is_setting && daemons != own {
                let show = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
                differences.push(format!("uses {what} {} (this client: {})", show(daemons), show(own)));
            }
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use ssod_control::NetworkValue;

    use super::*;

    fn found(daemon: &DaemonStatus, shell: &[(&str, &str)]) -> Vec<String> {
        let paths = Paths::from_environment().unwrap();
        let config_file = paths.aws_config.display().to_string();
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let daemon = DaemonStatus { config_file, version, ..daemon.clone() };
        differences(&paths, &daemon, |name| {
            shell.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn endpoints_and_proxies_are_compared_and_passwords_are_not_shown() {
        let none = DaemonStatus::default();
        assert_eq!(found(&none, &[("HTTP_PROXY", "http://never"), ("EDITOR", "vi")]), [""; 0]);
        let proxy =
            NetworkValue { value: "http://old:1".to_owned(), variable: Some("https_proxy".to_owned()) };
        let daemon = DaemonStatus {
            overrides: vec![("AWS_ENDPOINT_URL_SSO".to_owned(), "https://test.example".to_owned())],
            proxy: Some(proxy.clone()),
            ..DaemonStatus::default()
        };
        let same =
            [("AWS_ENDPOINT_URL_SSO", "https://u:secret@test.example/"), ("ALL_PROXY", "http://u:p@old:1")];
        assert_eq!(found(&daemon, &same), [""; 0]);
        assert_eq!(
            found(&daemon, &[("HTTPS_PROXY", "http://me:secret@new:2")]),
            [
                "has AWS_ENDPOINT_URL_SSO https://test.example (this client: unset)",
                "uses the proxy http://old:1 (this client: http://new:2)",
            ]
        );
        assert_eq!(found(&none, &same[1..]), ["uses the proxy none (this client: http://old:1)"]);
        let from_settings =
            DaemonStatus { proxy: Some(NetworkValue { variable: None, ..proxy }), ..DaemonStatus::default() };
        assert_eq!(found(&from_settings, &[("HTTPS_PROXY", "http://new:2")]), [""; 0]);
    }
}
