//! `ssod doctor`: everything that goes wrong in practice, with its remedy.

use std::path::PathBuf;

use ssod_control::{Check, CheckState, ControlClient, DaemonStatus, EnvRequest, Environment, Status};
use ssod_private_files::ReadPolicy;
use ssod_profiles::static_keys;

use super::Context;
use crate::cli::Doctor;
use crate::failure::{Failure, Outcome};
use crate::shell::{PROXIES, SHADOWS, bypasses_proxy};
use crate::{daemon, terminal};

pub(crate) fn run(context: &Context, command: &Doctor) -> Outcome<()> {
    let mut checks = Vec::new();
    let daemon = match daemon::connect(&context.paths).and_then(|client| of_daemon(&client, &mut checks)) {
        Ok(daemon) => Some(daemon),
        Err(failure) => {
            let hint = failure.hint.unwrap_or_else(|| "See the daemon's log".to_owned());
            checks.push(Check::failed("daemon", failure.message, hint));
            None
        }
    };
    let here = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    checks.extend(variables(daemon.as_ref(), here));
    let profiles = daemon.and_then(|_| of_profiles(context, here, &mut checks)).unwrap_or_default();
    checks.extend(files(context, &profiles));
    if command.json {
        let text = serde_json::to_string_pretty(&checks).map_err(std::io::Error::from)?;
        terminal::print(&format!("{text}\n"))?;
    } else {
        terminal::print(&checks.iter().map(line).collect::<String>())?;
    }
    match checks.iter().filter(|check| check.state == CheckState::Failed).count() {
        0 => Ok(()),
        1 => Err(Failure::new("One thing must be mended.")),
        several => Err(Failure::new(format!("{several} things must be mended."))),
    }
}

fn of_daemon(client: &ControlClient, checks: &mut Vec<Check>) -> Outcome<DaemonStatus> {
    let daemon: DaemonStatus = client.get("/v1/daemon")?;
    let own = env!("CARGO_PKG_VERSION");
    checks.push(if daemon.version == own {
        Check::ok("daemon", format!("Version {own} runs as process {}.", daemon.pid))
    } else {
        let message = format!("Version {} runs, but this ssod is {own}.", daemon.version);
        Check::warning(
            "daemon",
            message,
            format!("End the old one (kill {}); the next command starts the new one", daemon.pid),
        )
    });
    checks.extend(client.get::<Vec<Check>>("/v1/doctor")?);
    Ok(daemon)
}

/// The profiles that ssod serves; looks whether the token that this shell has is still its profile's.
fn of_profiles(
    context: &Context,
    here: impl Fn(&str) -> Option<String>,
    checks: &mut Vec<Check>,
) -> Option<Vec<String>> {
    let client = daemon::running(&context.paths)?;
    let status: Status = client.get("/v1/status").ok()?;
    let profiles: Vec<String> = status.profiles.into_iter().map(|profile| profile.name).collect();
    if let (Some(uri), Some(token)) =
        (here("AWS_CONTAINER_CREDENTIALS_FULL_URI"), here("AWS_CONTAINER_AUTHORIZATION_TOKEN"))
    {
        let named = std::iter::once(None).chain(profiles.iter().cloned().map(Some));
        let mut environments = named.filter_map(|profile| {
            client.post::<Environment>("/v1/env", &EnvRequest { profile, imds: false }).ok()
        });
        let its = environments.find(|environment| environment.credentials_uri.as_ref() == Some(&uri));
        if its.is_some_and(|its| its.token.as_ref() != Some(&token)) {
            checks.push(Check::failed(
                "variables",
                "The endpoint token in this shell is not in force any more.",
                "Take a new environment: eval \"$(ssod env PROFILE)\"",
            ));
        }
    }
    Some(profiles)
}

/// What this shell has that comes before ssod in every SDK's search, or misleads it.
fn variables(daemon: Option<&DaemonStatus>, here: impl Fn(&str) -> Option<String>) -> Vec<Check> {
    let mut checks = Vec::new();
    let shadows: Vec<&str> = SHADOWS.iter().copied().filter(|name| here(name).is_some()).collect();
    let (profile, keys): (Vec<&str>, Vec<&str>) =
        shadows.into_iter().partition(|name| name.ends_with("PROFILE"));
    let uri = here("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if !keys.is_empty() {
        checks.push(Check::failed(
            "variables",
            format!("Taken before anything that ssod serves, and set in this shell: {}.", keys.join(", ")),
            format!("unset {}", keys.join(" ")),
        ));
    }
    if let (Some(_), [_, ..]) = (&uri, profile.as_slice()) {
        checks.push(Check::failed(
            "variables",
            format!(
                "Taken before the endpoint that `ssod env` named, and set in this shell: {}.",
                profile.join(", ")
            ),
            format!("unset {}", profile.join(" ")),
        ));
    }
    let elsewhere =
        |port: u16| uri.as_ref().filter(|uri| !uri.starts_with(&format!("http://127.0.0.1:{port}/")));
    if let Some(uri) = daemon.and_then(|daemon| elsewhere(daemon.port)) {
        checks.push(Check::failed(
            "variables",
            format!("AWS_CONTAINER_CREDENTIALS_FULL_URI is {uri}, which is not this daemon's endpoint."),
            "Take a new environment: eval \"$(ssod env PROFILE)\"",
        ));
    }
    let proxy = PROXIES.iter().find(|name| here(name).is_some());
    if let (Some(proxy), Some(_)) = (proxy, &uri)
        && !["NO_PROXY", "no_proxy"].iter().all(|name| here(name).is_some_and(|list| bypasses_proxy(&list)))
    {
        checks.push(Check::failed(
            "variables",
            format!(
                "{proxy} is set, and NO_PROXY does not spare 127.0.0.1: requests to ssod go to the proxy."
            ),
            "Take a new environment: eval \"$(ssod env PROFILE)\"",
        ));
    }
    if checks.is_empty() {
        checks.push(Check::ok("variables", "Nothing in this shell comes before ssod."));
    }
    checks
}

/// Access keys in a file come before the endpoint, too.
fn files(context: &Context, profiles: &[String]) -> Vec<Check> {
    let beside = context.paths.aws_config.with_file_name("credentials");
    let credentials = std::env::var_os("AWS_SHARED_CREDENTIALS_FILE").map_or(beside, PathBuf::from);
    let mut checks = Vec::new();
    for path in [credentials, context.paths.aws_config.clone()] {
        let Ok(text) = ssod_private_files::read_to_string(&path, &ReadPolicy::user_file()) else { continue };
        let shown = path.display();
        match static_keys(&text) {
            Ok(names) if names.iter().any(|name| name == "default") => checks.push(Check::failed(
                "access keys",
                format!("[default] in {shown} has access keys: tools without a profile take them before ssod's endpoint."),
                "Give that section another name, or remove it",
            )),
            Ok(names) if names.iter().any(|name| profiles.contains(name)) => checks.push(Check::failed(
                "access keys",
                format!("{shown} has access keys of {}: --profile takes them, not what ssod serves.", names.join(", ")),
                "Remove them, or give that section another name",
            )),
            Ok(names) if !names.is_empty() => checks.push(Check::warning(
                "access keys",
                format!("{shown} has access keys of {}: they do not end by themselves.", names.join(", ")),
                "Where a role does the same, remove them",
            )),
            Ok(_) => {}
            Err(broken) => {
                let message = format!("{shown} cannot be read by AWS tools: {broken}.");
                checks.push(Check::failed("access keys", message, "Mend that line"));
            }
        }
    }
    if checks.is_empty() {
        checks.push(Check::ok("access keys", "No access keys lie in a file."));
    }
    checks
}

fn line(check: &Check) -> String {
    let state = match check.state {
        CheckState::Ok => terminal::green("ok     "),
        CheckState::Warning => terminal::yellow("warning"),
        CheckState::Failed => terminal::red_result("failed "),
    };
    let hint = check.hint.as_ref().map(|hint| format!("{:24}{hint}\n", "")).unwrap_or_default();
    format!("{state}  {:13}  {}\n{hint}", check.name, check.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(set: &[(&str, &str)]) -> String {
        let daemon = DaemonStatus { port: 7746, ..DaemonStatus::default() };
        let here =
            |name: &str| set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned());
        let checks = variables(Some(&daemon), here);
        checks.iter().map(|check| format!("{:?} {}\n", check.state, check.message)).collect()
    }

    #[test]
    fn what_comes_before_the_endpoint_is_named() {
        let ours = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:7746/credentials/a");
        assert!(found(&[]).starts_with("Ok"));
        assert!(found(&[ours]).starts_with("Ok"));
        assert!(
            found(&[("AWS_PROFILE", "adminUser")]).starts_with("Ok"),
            "with credential_process it is the way"
        );
        assert!(found(&[("AWS_ACCESS_KEY_ID", "AKIA")]).contains("set in this shell: AWS_ACCESS_KEY_ID"));
        assert!(found(&[ours, ("AWS_PROFILE", "x")]).contains("set in this shell: AWS_PROFILE"));
        let old = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:77/credentials/a");
        assert!(found(&[old]).contains("not this daemon's endpoint"));
        assert!(found(&[ours, ("HTTP_PROXY", "http://p")]).contains("go to the proxy"));
        let spared =
            [ours, ("HTTP_PROXY", "http://p"), ("NO_PROXY", "127.0.0.1"), ("no_proxy", "x,127.0.0.1")];
        assert!(found(&spared).starts_with("Ok"));
    }
}
