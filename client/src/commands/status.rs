//! `ssod status`.

use std::io::IsTerminal;
use std::time::Duration;

use console::{Term, measure_text_width};

use ssod_control::{
    ActiveProfile, ControlClient, ProfileState, ProfileStatus, SessionState, SessionStatus,
    Status as Everything, Trouble,
};

use ssod_model::{Timestamp, TimestampExt, system_time};

use super::Context;
use crate::cli::Status;
use crate::duration::show;
use crate::failure::Outcome;
use crate::table::Table;
use crate::{daemon, terminal};

pub(crate) fn run(context: &Context, command: &Status) -> Outcome<()> {
    let client = daemon::connect(&context.paths)?;
    if command.json {
        let everything: Everything = client.get("/v1/status")?;
        let text = serde_json::to_string_pretty(&everything).map_err(std::io::Error::from)?;
        return Ok(terminal::print(&format!("{text}\n"))?);
    }
    if !command.watch {
        return Ok(terminal::print(&text(&client)?)?);
    }
    watch(context, client)
}

/// On a terminal each look takes the place of the one before; in a pipe they follow one another.
fn watch(context: &Context, mut client: ControlClient) -> Outcome<()> {
    let mut before = 0;
    loop {
        let text = if let Ok(text) = text(&client) {
            text
        } else {
            // The daemon may have been restarted; the next one goes on.
            client = daemon::connect_quietly(&context.paths)?;
            text(&client)?
        };
        if std::io::stdout().is_terminal() {
            // Up over what was printed, and clear to the end: nothing that stood there before is touched.
            let up = if before > 0 { format!("\x1b[{before}A\r") } else { String::new() };
            terminal::print(&format!("{up}\x1b[J{text}"))?;
        } else {
            terminal::print(&format!("{text}\n"))?;
        }
        before = height(&text);
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// The rows that the text takes on this terminal.
fn height(text: &str) -> usize {
    let columns = usize::from(Term::stdout().size().1).max(1);
    text.lines().map(|line| measure_text_width(line).div_ceil(columns).max(1)).sum()
}

fn text(client: &ControlClient) -> Outcome<String> {
    let everything: Everything = client.get("/v1/status")?;
    let mut text = String::new();
    if everything.sessions.is_empty() {
        text.push_str(&format!(
            "There is no sso-session in {}. Add one: ssod configure\n",
            everything.daemon.config_file
        ));
    } else {
        text.push_str(&sessions(&everything.sessions));
    }
    if !everything.profiles.is_empty() {
        text.push_str(&format!("\n{}", profiles(&everything.profiles, &everything.active)));
    }
    if let (Some(profile), Some(until)) = (&everything.active.profile, &everything.active.until) {
        let then = everything.active.then.as_deref().unwrap_or("none");
        text.push_str(&format!("\nActive: {profile} for {} more, then {then}.\n", left(until)));
    }
    for profile in everything.profiles.iter().filter(|profile| profile.aws_form) {
        let name = &profile.name;
        text.push_str(&format!("\n{} {name} is in AWS's own form, so --profile {name} goes past ssod. Turn it: ssod configure --convert {name}\n", terminal::yellow("note:")));
    }
    let vault = &everything.daemon.vault;
    if let (Some(reason), Some(hint)) = (&vault.reason, &vault.hint) {
        text.push_str(&format!(
            "\n{} {reason} {hint}\n",
            terminal::yellow(&format!("vault {}:", vault.state))
        ));
    }
    for problem in &everything.daemon.problems {
        text.push_str(&format!("\n{} {problem}\n", terminal::yellow("problem:")));
    }
    Ok(text)
}

fn sessions(sessions: &[SessionStatus]) -> String {
    let mut table = Table::new(["SESSION", "STATE", "RENEWS IN", "TOKEN ENDS IN", ""]).dropping(&[3, 2]);
    for session in sessions {
        let state = match session.state {
            SessionState::Active => terminal::green("active"),
            SessionState::SigningIn => terminal::yellow("signing in"),
            SessionState::SignedOut => "signed out".to_owned(),
            SessionState::Expired => terminal::yellow("expired"),
            SessionState::Locked => terminal::yellow("locked"),
        };
        let remark = match (&session.trouble, &session.reason) {
            (Some(trouble), _) => remark(trouble),
            (None, Some(reason)) => format!("{reason}. Run: ssod login {}", session.name),
            (None, None) if session.state == SessionState::SignedOut => {
                format!("ssod login {}", session.name)
            }
            (None, None) => session
                .ends_in
                .map(|left| format!("somebody must sign in again in about {}", show(left)))
                .unwrap_or_default(),
        };
        table.row([session.name.clone(), state, time(session.renews_in), time(session.remaining), remark]);
    }
    table.to_string()
}

fn profiles(profiles: &[ProfileStatus], active: &ActiveProfile) -> String {
    let mut table =
        Table::new(["PROFILE", "STATE", "ACCOUNT", "ROLE", "EXPIRES IN", "RENEWS IN", "LAST USED", ""])
            .dropping(&[5, 6, 2, 3]);
    for profile in profiles {
        let state = match profile.state {
            ProfileState::Ready => terminal::green("ready"),
            ProfileState::OnDemand => "on demand".to_owned(),
            ProfileState::Blocked => terminal::yellow("blocked"),
        };
        let name = if active.profile.as_ref() == Some(&profile.name) {
            format!("{} *", profile.name)
        } else {
            profile.name.clone()
        };
        let used = match (profile.used_ago, &profile.used_by) {
            (Some(ago), Some(by)) => format!("{} ago by {by}", show(ago)),
            (Some(ago), None) => format!("{} ago", show(ago)),
            (None, _) => "-".to_owned(),
        };
        table.row([
            name,
            state,
            profile.account_id.clone(),
            profile.role_name.clone(),
            time(profile.remaining),
            time(profile.renews_in),
            used,
            profile.trouble.as_ref().map(remark).unwrap_or_default(),
        ]);
    }
    table.to_string()
}

fn remark(trouble: &Trouble) -> String {
    match trouble {
        Trouble::Retrying { reason, retry_in } => format!("{reason}; next try in {}", show(*retry_in)),
        Trouble::NoAccess => "no access to that role".to_owned(),
        Trouble::SignInNeeded => "sign-in needed".to_owned(),
        Trouble::Locked => "locked".to_owned(),
    }
}

/// The time until then; the text itself where it is none.
fn left(until: &str) -> String {
    match until.parse::<Timestamp>() {
        Ok(until) => show(until.since_or_zero(system_time()).as_secs()),
        Err(_) => until.to_owned(),
    }
}

fn time(seconds: Option<u64>) -> String {
    seconds.map_or_else(|| "-".to_owned(), show)
}
