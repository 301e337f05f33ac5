//! `ssod status`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;
use std::time::Duration;

use clap::Args;
use console::{Term, measure_text_width};

use ssod_control::{
    ActiveProfile, ControlClient, EndpointOverride, NetworkValue, ProfileState, ProfileStatus, SessionState,
    SessionStatus, Status, Trouble,
};

use ssod_model::{Timestamp, TimestampExt, system_time};

use crate::connection;
use crate::context::CommandContext;
use crate::duration;
use crate::error::CommandResult;
use crate::table::Table;
use crate::terminal::{self, Style, stdout_style};
use crate::warnings::shell_profile;

/// How many sessions and profiles a note names.
const SHOWN_CALLERS: usize = 5;

/// Show the state of sessions and profiles.
///
/// A session (sign-in) is active, signing in, signed out, expired or locked. A profile is ready (ssod holds its
/// credentials), on demand (the next request fetches them) or blocked (the last column has the reason). A star marks
/// the active profile.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  ssod status\n  ssod status --watch\n  ssod status --json | jq '.sessions[].state'"
)]
pub(crate) struct StatusArgs {
    /// Print the status as JSON.
    #[arg(long, conflicts_with = "watch")]
    json: bool,
    /// Update the status every second until Ctrl-C.
    #[arg(long)]
    watch: bool,
}

pub(crate) fn run(context: &CommandContext, args: &StatusArgs) -> CommandResult<()> {
    let client = connection::connect(&context.paths)?;
    if args.json {
        let status: Status = client.get("/v1/status")?;
        return Ok(terminal::print_json(serde_json::to_string_pretty(&status))?);
    }
    if !args.watch {
        return Ok(terminal::print(&text(&client)?)?);
    }
    watch(context, client)
}

/// Shows the status every second. On a terminal, each status replaces the previous one; in a pipe, it follows the
/// previous one.
fn watch(context: &CommandContext, mut client: ControlClient) -> CommandResult<()> {
    let mut previous_height = 0;
    loop {
        let text = if let Ok(text) = text(&client) {
            text
        } else {
            // The daemon may have been restarted.
            client = connection::connect_quietly(&context.paths)?;
            text(&client)?
        };
        if std::io::stdout().is_terminal() {
            terminal::print_over(previous_height, &text)?;
        } else {
            terminal::print(&format!("{text}\n"))?;
        }
        previous_height = height(&text);
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Returns how many rows the text takes on this terminal.
fn height(text: &str) -> usize {
    let columns = usize::from(Term::stdout().size().1).max(1);
    text.lines().map(|line| measure_text_width(line).div_ceil(columns).max(1)).sum()
}

fn text(client: &ControlClient) -> CommandResult<String> {
    let status: Status = client.get("/v1/status")?;
    let mut text = String::new();
    if status.sessions.is_empty() {
        text.push_str(&format!(
            "There is no sso-session in {}. Add one: ssod configure\n",
            status.daemon.config_file
        ));
    } else {
        text.push_str(&sessions(&status.sessions));
    }
    if !status.profiles.is_empty() {
        text.push_str(&format!("\n{}", profiles(&status.profiles, &status.active)));
    }
    if let (Some(profile), Some(until)) = (&status.active.profile, &status.active.until) {
        let then = status.active.then.as_deref().unwrap_or("none");
        text.push_str(&format!("\nActive: {profile} for {} more, then {then}.\n", time_until(until)));
    }
    if let Some(profile) = shell_profile() {
        text.push_str(&format!("\nThis shell uses {profile}.\n"));
    }
    let notes = overrides(&status.sessions).into_iter().chain(environment(&status));
    for note in notes.chain(in_aws_form(&status.profiles)) {
        text.push_str(&format!("\n{} {note}\n", stdout_style(Style::Yellow, "note:")));
    }
    let vault = &status.daemon.vault;
    if let (Some(reason), Some(hint)) = (&vault.reason, &vault.hint) {
        text.push_str(&format!(
            "\n{} {reason} {hint}\n",
            stdout_style(Style::Yellow, &format!("vault {}:", vault.state))
        ));
    }
    for problem in &status.daemon.problems {
        text.push_str(&format!("\n{} {problem}\n", stdout_style(Style::Yellow, "problem:")));
    }
    Ok(text)
}

/// Returns one note for all profiles that `--profile` takes past ssod: an organisation may have thousands.
fn in_aws_form(profiles: &[ProfileStatus]) -> Option<String> {
    let mut names = profiles.iter().filter(|profile| profile.aws_form).map(|profile| &profile.name);
    let first = names.next()?;
    Some(match names.count() {
        0 => format!(
            "{first} uses AWS's own keys, so --profile {first} bypasses ssod. To convert it: ssod configure --convert \
             {first}"
        ),
        more => format!(
            "{} profiles use AWS's own keys, so --profile {first}, for example, bypasses ssod. To convert them: ssod \
             configure --convert --all",
            more + 1
        ),
    })
}

/// Returns one note for each endpoint that is not AWS's own. What sets it, and the calls that go there, are combined.
fn overrides(sessions: &[SessionStatus]) -> Vec<String> {
    let mut callers: BTreeMap<(&str, &str, &str), Vec<String>> = BTreeMap::new();
    for session in sessions {
        for EndpointOverride { service, url, source, profiles } in &session.overrides {
            let callers = callers.entry((service, url, source)).or_default();
            if profiles.is_empty() {
                callers.push(format!("session {}", session.name));
            } else {
                callers.extend(profiles.iter().map(|profile| format!("profile {profile}")));
            }
        }
    }
    let all: Vec<_> = sessions.iter().map(|session| format!("session {}", session.name)).collect();
    let mut notes: BTreeMap<(&str, Vec<String>), Redirection<'_>> = BTreeMap::new();
    for ((service, url, source), callers) in callers {
        let note = notes.entry((url, callers)).or_default();
        note.sources.insert(source);
        if service == EndpointOverride::OIDC {
            note.sign_ins = true;
        } else {
            note.portal_calls = true;
        }
    }
    notes.into_iter().map(|((url, callers), note)| note.text(url, &callers, callers == all)).collect()
}

/// The calls that go to one endpoint, and what sets it.
#[derive(Default)]
struct Redirection<'a> {
    sources: BTreeSet<&'a str>,
    sign_ins: bool,
    portal_calls: bool,
}

impl Redirection<'_> {
    fn text(&self, url: &str, callers: &[String], is_of_all: bool) -> String {
        let sources = self.sources.iter().copied().collect::<Vec<_>>().join(" and ");
        let verb = if self.sources.len() == 1 { "sends" } else { "send" };
        let calls = match (self.sign_ins, self.portal_calls) {
            (true, true) => "sign-ins and portal calls",
            (true, false) => "sign-ins",
            (false, _) => "portal calls",
        };
        if is_of_all {
            return format!("{sources} {verb} all {calls} to {url}, not to AWS.");
        }
        let shown = callers.iter().take(SHOWN_CALLERS).cloned().collect::<Vec<_>>().join(", ");
        let more = match callers.len().saturating_sub(SHOWN_CALLERS) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{sources} {verb} the {calls} of {shown}{more} to {url}, not to AWS.")
    }
}

/// Returns notes about what else the daemon took from its environment and what changes its calls to AWS.
fn environment(status: &Status) -> Vec<String> {
    let daemon = &status.daemon;
    let is_named = |variable: &String| {
        status.sessions.iter().flat_map(|session| &session.overrides).any(|one| one.source == *variable)
    };
    let others = daemon.overrides.iter().filter(|(variable, _)| !is_named(variable));
    let others: Vec<_> = others.map(|(variable, value)| format!("{variable}={value}")).collect();
    let mut notes = Vec::new();
    if !others.is_empty() {
        notes.push(format!("The daemon's environment has {}.", others.join(", ")));
    }
    if let Some(NetworkValue { value, variable: Some(variable) }) = &daemon.proxy {
        notes.push(format!(
            "AWS is called through the proxy {value} ({variable} in the daemon's environment)."
        ));
    }
    if let Some(NetworkValue { value, variable: Some(variable) }) = &daemon.ca_bundle {
        notes.push(format!(
            "The certificates in {value} are trusted, too ({variable} in the daemon's environment)."
        ));
    }
    notes
}

fn sessions(sessions: &[SessionStatus]) -> String {
    let mut table = Table::new(["SESSION", "STATE", "RENEWS IN", "TOKEN ENDS IN", ""]).dropping(&[3, 2]);
    for session in sessions {
        let state = match session.state {
            SessionState::Active => stdout_style(Style::Green, "active"),
            SessionState::SigningIn => stdout_style(Style::Yellow, "signing in"),
            SessionState::SignedOut => "signed out".to_owned(),
            SessionState::Expired => stdout_style(Style::Yellow, "expired"),
            SessionState::Locked => stdout_style(Style::Yellow, "locked"),
        };
        let remark = match (&session.trouble, &session.reason) {
            (Some(trouble), _) => remark(trouble),
            (None, Some(reason)) => format!("{reason}. Run: ssod login {}", session.name),
            (None, None) if session.state == SessionState::SignedOut => {
                format!("ssod login {}", session.name)
            }
            (None, None) => session
                .ends_in
                .map(|seconds| format!("you must sign in again in about {}", duration::format(seconds)))
                .unwrap_or_default(),
        };
        table.row([
            session.name.clone(),
            state,
            optional_time(session.renews_in),
            optional_time(session.remaining),
            remark,
        ]);
    }
    table.to_string()
}

fn profiles(profiles: &[ProfileStatus], active: &ActiveProfile) -> String {
    let mut table =
        Table::new(["PROFILE", "STATE", "ACCOUNT", "ROLE", "EXPIRES IN", "RENEWS IN", "LAST USED", ""])
            .dropping(&[5, 6, 2, 3]);
    for profile in profiles {
        let state = match profile.state {
            ProfileState::Ready => stdout_style(Style::Green, "ready"),
            ProfileState::OnDemand => "on demand".to_owned(),
            ProfileState::Blocked => stdout_style(Style::Yellow, "blocked"),
        };
        let name = if active.profile.as_ref() == Some(&profile.name) {
            format!("{} *", profile.name)
        } else {
            profile.name.clone()
        };
        let used = match (profile.used_ago, &profile.used_by) {
            (Some(ago), Some(by)) => format!("{} ago by {by}", duration::format(ago)),
            (Some(ago), None) => format!("{} ago", duration::format(ago)),
            (None, _) => "-".to_owned(),
        };
        table.row([
            name,
            state,
            profile.account_id.clone(),
            profile.role_name.clone(),
            optional_time(profile.remaining),
            optional_time(profile.renews_in),
            used,
            profile.trouble.as_ref().map(remark).unwrap_or_default(),
        ]);
    }
    table.to_string()
}

fn remark(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Retrying { reason, retry_in } => {
            format!("{reason}; next try in {}", duration::format(*retry_in))
        }
        Trouble::NoAccess => "you have no access to that role".to_owned(),
        Trouble::SignInNeeded => "sign-in needed".to_owned(),
        Trouble::Locked => "locked".to_owned(),
    }
}

/// Returns the time until then, or the text itself if it is not a time.
fn time_until(until: &str) -> String {
    match until.parse::<Timestamp>() {
        Ok(until) => duration::format(until.since_or_zero(system_time()).as_secs()),
        Err(_) => until.to_owned(),
    }
}

fn optional_time(seconds: Option<u64>) -> String {
    seconds.map_or_else(|| "-".to_owned(), duration::format)
}

#[cfg(test)]
mod tests {
    use ssod_control::DaemonStatus;

    use super::*;

    fn session(name: &str, overrides: &[(&str, &str, &str, &[&str])]) -> SessionStatus {
        let overrides = overrides.iter().map(|(service, url, source, profiles)| EndpointOverride {
            service: (*service).to_owned(),
            url: (*url).to_owned(),
            source: (*source).to_owned(),
            profiles: profiles.iter().map(|name| (*name).to_owned()).collect(),
        });
        SessionStatus {
            name: name.to_owned(),
            state: SessionState::SignedOut,
            reason: None,
            start_url: String::new(),
            region: String::new(),
            expires_at: None,
            remaining: None,
            ends_in: None,
            renews_in: None,
            trouble: None,
            overrides: overrides.collect(),
        }
    }

    const BOTH: [(&str, &str, &str, &[&str]); 2] = [
        (EndpointOverride::OIDC, "http://127.0.0.1:1", "AWS_ENDPOINT_URL_SSO_OIDC", &[]),
        (EndpointOverride::PORTAL, "http://127.0.0.1:1", "AWS_ENDPOINT_URL_SSO", &[]),
    ];

    #[test]
    fn each_endpoint_is_one_note() {
        assert_eq!(
            overrides(&[session("a", &BOTH), session("b", &BOTH)]),
            ["AWS_ENDPOINT_URL_SSO and AWS_ENDPOINT_URL_SSO_OIDC send all sign-ins and portal calls to \
              http://127.0.0.1:1, not to AWS."]
        );
        let own: &[(&str, &str, &str, &[&str])] =
            &[(EndpointOverride::PORTAL, "https://test.example", "A [services] section", &["p", "q"])];
        assert_eq!(
            overrides(&[session("a", &BOTH[..1]), session("b", own)]),
            [
                "AWS_ENDPOINT_URL_SSO_OIDC sends the sign-ins of session a to http://127.0.0.1:1, not to AWS.",
                "A [services] section sends the portal calls of profile p, profile q to https://test.example, not \
                 to AWS.",
            ]
        );
    }

    #[test]
    fn what_the_daemon_took_from_its_environment_is_shown() {
        let value = |value: &str, variable: Option<&str>| {
            Some(NetworkValue { value: value.to_owned(), variable: variable.map(str::to_owned) })
        };
        let set = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut status = Status {
            daemon: DaemonStatus::default(),
            active: ActiveProfile::default(),
            sessions: vec![session("a", &BOTH)],
            profiles: vec![],
        };
        assert_eq!(environment(&status), [""; 0]);
        status.daemon = DaemonStatus {
            overrides: vec![
                set("AWS_ENDPOINT_URL_SSO", "http://127.0.0.1:1"),
                set("AWS_ENDPOINT_URL_SSO_OIDC", "http://127.0.0.1:1"),
                set("AWS_USE_FIPS_ENDPOINT", "true"),
            ],
            proxy: value("http://proxy:3128", Some("HTTPS_PROXY")),
            ca_bundle: value("/corporate.pem", Some("AWS_CA_BUNDLE")),
            ..DaemonStatus::default()
        };
        assert_eq!(
            environment(&status),
            [
                "The daemon's environment has AWS_USE_FIPS_ENDPOINT=true.",
                "AWS is called through the proxy http://proxy:3128 (HTTPS_PROXY in the daemon's environment).",
                "The certificates in /corporate.pem are trusted, too (AWS_CA_BUNDLE in the daemon's environment).",
            ]
        );
        // The user set these on purpose; `ssod doctor` shows them.
        status.daemon = DaemonStatus { proxy: value("http://proxy:3128", None), ..DaemonStatus::default() };
        assert_eq!(environment(&status), [""; 0]);
    }
}
