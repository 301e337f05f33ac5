//! `ssod doctor`: checks for common problems, and suggests a fix for each.

use clap::Args;
use ssod_control::{
    Check, CheckGroup, CheckState, ControlClient, DaemonStatus, EnvRequest, Environment, Status,
};

use crate::context::CommandContext;
use crate::error::{CommandError, CommandResult};
use crate::precedence::AwsFiles;
use crate::terminal::{self, Style, stdout_style};
use crate::variables::{OVERRIDING, PROXIES, SHELL_PROFILE, bypasses_proxy};
use crate::{connection, daemon_process};

/// The fix for variables that an earlier `ssod env` has set, and that are no longer right.
const SET_AGAIN: &str = "Set the variables again: eval \"$(ssod env PROFILE)\"";

/// Diagnose common problems and suggest fixes.
///
/// Checks the daemon, its port and its key store; sign-ins and profiles; whether AWS answers, without sending a secret;
/// files and the folders above them; and the variables of this shell. The exit status is 1 if you must fix something.
#[derive(Args)]
pub(crate) struct DoctorArgs {
    /// Print the checks as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &CommandContext, args: &DoctorArgs) -> CommandResult<()> {
    let mut checks = Vec::new();
    let daemon =
        match connection::connect(&context.paths).and_then(|client| check_daemon(&client, &mut checks)) {
            Ok(daemon) => Some(daemon),
            Err(error) => {
                let hint = error.hint.unwrap_or_else(|| "See the daemon's log".to_owned());
                checks.push(Check::failed("daemon", error.message, hint).in_group(CheckGroup::Daemon));
                None
            }
        };
    let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let mut own = check_variables(daemon.as_ref(), environment);
    if daemon.is_some() {
        own.extend(check_token(context, environment));
    }
    own.extend(check_files(context, environment));
    checks.extend(own.into_iter().map(|check| check.in_group(CheckGroup::Shell)));
    checks.sort_by_key(|check| check.group);
    if args.json {
        terminal::print_json(serde_json::to_string_pretty(&checks))?;
    } else {
        terminal::print(&render_groups(&checks))?;
    }
    match checks.iter().filter(|check| check.state == CheckState::Failed).count() {
        0 => Ok(()),
        1 => Err(CommandError::new("One problem must be fixed.")),
        several => Err(CommandError::new(format!("{several} problems must be fixed."))),
    }
}

fn check_daemon(client: &ControlClient, checks: &mut Vec<Check>) -> CommandResult<DaemonStatus> {
    let daemon: DaemonStatus = client.get("/v1/daemon")?;
    let own = env!("CARGO_PKG_VERSION");
    let version = if daemon.version == own {
        Check::ok("daemon", format!("Version {own} runs as process {}.", daemon.pid))
    } else {
        let message = format!("The daemon has version {}, but this ssod has version {own}.", daemon.version);
        Check::warning(
            "daemon",
            message,
            format!("Stop the old daemon (kill {}); the next command starts the new one", daemon.pid),
        )
    };
    checks.push(version.in_group(CheckGroup::Daemon));
    checks.extend(client.get::<Vec<Check>>("/v1/doctor")?);
    Ok(daemon)
}

/// Checks whether the endpoint token in this shell is still valid.
fn check_token(context: &CommandContext, variable: impl Fn(&str) -> Option<String>) -> Option<Check> {
    let uri = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI")?;
    let token = variable("AWS_CONTAINER_AUTHORIZATION_TOKEN")?;
    let client = daemon_process::find_running(&context.paths).ok()??;
    let status: Status = client.get("/v1/status").ok()?;
    let profiles = status.profiles.into_iter().map(|profile| profile.name);
    let named = std::iter::once(None).chain(profiles.map(Some));
    let mut environments = named.filter_map(|profile| {
        client.post::<Environment>("/v1/env", &EnvRequest { profile, imds: false }).ok()
    });
    let matching = environments.find(|environment| environment.credentials_uri.as_ref() == Some(&uri))?;
    (matching.token != Some(token)).then(|| {
        Check::failed("variables", "The endpoint token in this shell is no longer valid.", SET_AGAIN)
    })
}

/// Checks for variables that SDKs prefer over ssod, or that point to the wrong endpoint.
fn check_variables(daemon: Option<&DaemonStatus>, variable: impl Fn(&str) -> Option<String>) -> Vec<Check> {
    let uri = variable("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    let mut checks = check_overriding_variables(uri.is_some(), &variable);
    if let Some(uri) = &uri {
        checks.extend(daemon.and_then(|daemon| check_endpoint(uri, daemon.port)));
        checks.extend(check_proxy(&variable));
    }
    if checks.is_empty() {
        checks.push(Check::ok("variables", "No variable in this shell overrides ssod."));
    }
    checks
}

/// Checks for variables that override ssod. AWS_PROFILE is a problem only if the endpoint is set, too: otherwise it may
/// select a profile that uses ssod through `credential_process`.
fn check_overriding_variables(has_endpoint: bool, variable: impl Fn(&str) -> Option<String>) -> Vec<Check> {
    let set = OVERRIDING.into_iter().filter(|name| variable(name).is_some());
    let (profile, keys): (Vec<&str>, Vec<&str>) = set.partition(|name| name.ends_with("PROFILE"));
    let failed = |names: &[&str], overridden: &str| {
        let message = format!(
            "AWS tools prefer these variables, which are set in this shell, over {overridden}: {}.",
            names.join(", ")
        );
        Check::failed("variables", message, format!("unset {}", names.join(" ")))
    };
    let mut checks = Vec::new();
    if !keys.is_empty() {
        checks.push(failed(&keys, "ssod"));
    }
    let own = variable(SHELL_PROFILE);
    let profile: Vec<&str> = profile.into_iter().filter(|name| variable(name) != own).collect();
    if has_endpoint && !profile.is_empty() {
        checks.push(failed(&profile, "the endpoint that `ssod env` has set"));
    }
    checks
}

fn check_endpoint(uri: &str, port: u16) -> Option<Check> {
    if uri.starts_with(&format!("http://127.0.0.1:{port}/")) {
        return None;
    }
    let message =
        format!("AWS_CONTAINER_CREDENTIALS_FULL_URI is {uri}, which is not this daemon's endpoint.");
    Some(Check::failed("variables", message, SET_AGAIN))
}

fn check_proxy(variable: impl Fn(&str) -> Option<String>) -> Option<Check> {
    let proxy = PROXIES.iter().find(|name| variable(name).is_some())?;
    let excluded = |name: &&str| variable(name).is_some_and(|list| bypasses_proxy(&list));
    if ["NO_PROXY", "no_proxy"].iter().all(excluded) {
        return None;
    }
    let message =
        format!("{proxy} is set and NO_PROXY does not have 127.0.0.1, so requests to ssod go to the proxy.");
    Some(Check::failed("variables", message, SET_AGAIN))
}

/// Checks what AWS tools find in this shell's files before they ask ssod.
fn check_files(context: &CommandContext, variable: impl Fn(&str) -> Option<String>) -> Vec<Check> {
    let overriding = match AwsFiles::read(&context.paths).map(|files| files.overriding()) {
        Ok(overriding) => overriding,
        Err(error) => return vec![Check::failed("AWS files", error.message, error.hint.unwrap_or_default())],
    };
    let uses_endpoint =
        variable("AWS_CONTAINER_CREDENTIALS_FULL_URI").is_some() && variable("AWS_PROFILE").is_none();
    let mut checks = Vec::new();
    match overriding.default {
        Some(setting) if uses_endpoint => checks.push(Check::failed(
            "AWS files",
            format!(
                "AWS tools do not use the endpoint that `ssod env` has set in this shell, because {setting}."
            ),
            "Select a profile that uses ssod (ssod env PROFILE), or remove that setting",
        )),
        Some(setting) if !overriding.is_default_served => {
            // Access keys never expire, so a tool that uses them by mistake works for years.
            let has_keys = overriding.with_access_keys.iter().any(|name| name == "default");
            let state = if has_keys { CheckState::Failed } else { CheckState::Warning };
            let message = format!("AWS tools without a profile do not use ssod, because {setting}.");
            let hint = "Give tools a profile: eval \"$(ssod env PROFILE)\"; or remove that setting";
            checks.push(Check { state, ..Check::failed("AWS files", message, hint) });
        }
        _ => {}
    }
    for (name, setting) in overriding.profiles {
        checks.push(Check::failed(
            "AWS files",
            format!("AWS tools do not use ssod for profile {name}, but {setting}."),
            "Remove that setting, or the profile's credential_process",
        ));
    }
    if !overriding.with_access_keys.is_empty() {
        let names = overriding.with_access_keys.join(", ");
        checks.push(Check::warning(
            "access keys",
            format!("These profiles have access keys, which never expire: {names}."),
            "Remove them if a role can replace them",
        ));
    }
    if checks.is_empty() {
        checks.push(Check::ok("AWS files", "Nothing in the AWS files overrides ssod."));
    }
    checks
}

/// Renders checks that are sorted by group, each group below its heading.
fn render_groups(checks: &[Check]) -> String {
    let groups = checks.chunk_by(|one, next| one.group == next.group).map(|group| {
        let heading = group.first().map_or("", |check| heading(check.group));
        let lines: String = group.iter().map(render).collect();
        format!("{}\n{lines}", stdout_style(Style::Bold, heading))
    });
    groups.collect::<Vec<_>>().join("\n")
}

fn heading(group: CheckGroup) -> &'static str {
    match group {
        CheckGroup::Daemon => "The daemon and this machine",
        CheckGroup::SignIns => "Sign-ins and profiles",
        CheckGroup::Aws => "AWS and the network",
        CheckGroup::Files => "Files and folders",
        CheckGroup::Shell => "This shell and its AWS files",
        CheckGroup::Other => "Other",
    }
}

fn render(check: &Check) -> String {
    let state = match check.state {
        CheckState::Ok => stdout_style(Style::Green, "ok     "),
        CheckState::Warning => stdout_style(Style::Yellow, "warning"),
        CheckState::Failed => stdout_style(Style::Red, "failed "),
    };
    let hint = check.hint.as_ref().map(|hint| format!("{:24}{hint}\n", "")).unwrap_or_default();
    format!("{state}  {:13}  {}\n{hint}", check.name, check.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(set: &[(&str, &str)]) -> String {
        let daemon = DaemonStatus { port: 7746, ..DaemonStatus::default() };
        let variable =
            |name: &str| set.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned());
        let checks = check_variables(Some(&daemon), variable);
        checks.iter().map(|check| format!("{:?} {}\n", check.state, check.message)).collect()
    }

    #[test]
    fn checks_are_shown_below_the_headings_of_their_groups() {
        let check = |name: &str, group| Check::ok(name, "Good.").in_group(group);
        let text = render_groups(&[
            check("port", CheckGroup::Daemon),
            check("clock", CheckGroup::Daemon),
            Check::failed("AWS", "Bad.", "Do this").in_group(CheckGroup::Aws),
        ]);
        let expected = "The daemon and this machine\n\
            ok       port           Good.\n\
            ok       clock          Good.\n\n\
            AWS and the network\n\
            failed   AWS            Bad.\n\
            \x20                       Do this\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn variables_that_override_the_endpoint_are_named() {
        let ours = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:7746/credentials/a");
        assert!(found(&[]).starts_with("Ok"));
        assert!(found(&[ours]).starts_with("Ok"));
        assert!(
            found(&[("AWS_PROFILE", "adminUser")]).starts_with("Ok"),
            "AWS_PROFILE is right with credential_process"
        );
        assert!(found(&[("AWS_ACCESS_KEY_ID", "AKIA")]).contains("over ssod: AWS_ACCESS_KEY_ID"));
        assert!(found(&[ours, ("AWS_PROFILE", "x")]).contains("has set: AWS_PROFILE"));
        assert!(found(&[ours, ("AWS_PROFILE", "a"), ("SSOD_PROFILE", "a")]).starts_with("Ok"));
        let old = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:77/credentials/a");
        assert!(found(&[old]).contains("not this daemon's endpoint"));
        assert!(found(&[ours, ("HTTP_PROXY", "http://p")]).contains("go to the proxy"));
        let bypassed =
            [ours, ("HTTP_PROXY", "http://p"), ("NO_PROXY", "127.0.0.1"), ("no_proxy", "x,127.0.0.1")];
        assert!(found(&bypassed).starts_with("Ok"));
    }
}
