//! `cargo xtask demo`: shows in a minute what ssod does.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use jiff::SignedDuration;
use ssod_testkit::{Sandbox, TestUser, get_with, put_with};

use crate::workspace::{BuildProfile, build_programs};

/// Short enough to show several renewals, and long enough to read the output.
const LIFETIME: &str = "20s";
/// How often the demo asks for credentials and prints the status.
const INTERVAL: Duration = Duration::from_secs(2);

/// Starts a fake IAM Identity Center and an ssod daemon, signs two users in, and shows how credentials are served
/// and renewed.
#[derive(Args)]
pub(crate) struct Demo {
    /// Stop after this long, instead of at Ctrl-C.
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// Approve the sign-ins automatically, instead of asking you.
    #[arg(long)]
    unattended: bool,
}

/// The users who sign in.
const USERS: [TestUser; 2] = [TestUser::ADMIN, TestUser::READ_ONLY];

pub(crate) fn run(demo: &Demo) -> Result<()> {
    build_programs(BuildProfile::Debug)?;
    let interrupted = watch_for_interrupt()?;
    print_line(
        "ssod keeps AWS IAM Identity Center sign-ins alive and serves their credentials to every AWS tool.",
    )?;
    print_line(
        "This demo runs in its own temporary folder: it does not touch your files, and no data leaves this machine.",
    )?;

    let mut sandbox = Sandbox::with_lifetime(LIFETIME);
    step(1, &format!("A fake IAM Identity Center listens at {}.", sandbox.fake().url()))?;
    print_line(&format!(
        "   alice may administer the account, bob may only read. Tokens and credentials expire after {LIFETIME}, so \
         you see them renewed."
    ))?;

    step(2, "`ssod configure` writes a session and a profile for each into an AWS config file.")?;
    for user in USERS {
        sandbox.configure(user);
    }
    sandbox.start_daemon();

    show_sign_ins(demo, &sandbox)?;
    show_protocols(&sandbox)?;

    let end =
        demo.duration.map_or("until Ctrl-C".to_owned(), |duration| format!("for {}s", duration.as_secs()));
    step(
        6,
        &format!(
            "`ssod status`, {end}. Watch EXPIRES IN: credentials are renewed without another sign-in.\n   Its note, shown \
             once here, says that the calls go to the fake and not to AWS."
        ),
    )?;
    let deadline = demo.duration.map(|duration| Instant::now() + duration);
    watch_renewals(&sandbox, || {
        interrupted.load(Ordering::SeqCst) || deadline.is_some_and(|deadline| Instant::now() >= deadline)
    })?;
    print_line("The README explains how to install ssod.")
}

/// Signs both users in, and asks for approval if the demo runs in a terminal.
fn show_sign_ins(demo: &Demo, sandbox: &Sandbox) -> Result<()> {
    let is_interactive = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    for (number, user) in (3..).zip(USERS) {
        step(number, &format!("`ssod login {}`: {} signs in once.", user.profile, user.name))?;
        if is_interactive && !demo.unattended {
            print_line(&format!("   Choose {} on the page and approve.", user.name))?;
            sign_in_interactively(sandbox, user)?;
        } else {
            sandbox.login(user).succeeded();
            print_line("   Approved, as a user would in the browser.")?;
        }
    }
    Ok(())
}

/// Requests credentials by each protocol that SDKs use.
fn show_protocols(sandbox: &Sandbox) -> Result<()> {
    step(5, "Any AWS SDK gets credentials from 127.0.0.1, by either protocol:")?;
    sandbox.ssod(&["use", TestUser::READ_ONLY.profile]).succeeded();
    for user in USERS {
        let served = request_by_container(sandbox, user)?;
        print_line(&format!("   container credentials  {:<13} {served}", user.profile))?;
    }
    print_line(&format!(
        "   IMDSv2                 {:<13} {}",
        TestUser::READ_ONLY.profile,
        request_by_imds(sandbox)?
    ))
}

/// Prints the status periodically until the demo ends. Fails if ssod renewed nothing.
fn watch_renewals(sandbox: &Sandbox, has_ended: impl Fn() -> bool) -> Result<()> {
    let (mut served, mut is_first) = (0, true);
    while !has_ended() {
        for user in USERS {
            request_by_container(sandbox, user)?;
            served += 1;
        }
        let status = sandbox.ssod(&["status"]).succeeded();
        // The notes do not change during the demo.
        let shown = status.lines().filter(|line| is_first || !line.starts_with("note:"));
        print_line(&format!("\n{}", shown.collect::<Vec<_>>().join("\n").trim_end()))?;
        is_first = false;
        let next = Instant::now() + INTERVAL;
        while Instant::now() < next && !has_ended() {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let renewed = sandbox.fake().successful_calls("GetRoleCredentials").saturating_sub(USERS.len());
    let sign_ins = USERS.len();
    print_line(&format!(
        "\n{served} requests were served, credentials were renewed {renewed} times, and users signed in {sign_ins} \
         times in total."
    ))?;
    ensure!(served > 0, "nothing was served");
    ensure!(renewed > 0, "nothing was renewed; run the demo for at least 15 seconds");
    Ok(())
}

/// Signs in with the terminal and the browser of the user who runs the demo.
fn sign_in_interactively(sandbox: &Sandbox, user: TestUser) -> Result<()> {
    let mut command = sandbox.ssod_command();
    for name in [
        "BROWSER",
        "DISPLAY",
        "WAYLAND_DISPLAY",
        "SSH_CONNECTION",
        "TERM",
        "DBUS_SESSION_BUS_ADDRESS",
        "XAUTHORITY",
    ] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    let status = command.args(["login", user.profile]).status().context("cannot run ssod")?;
    ensure!(status.success(), "the sign-in to {} failed", user.profile);
    Ok(())
}

/// Requests container credentials and returns their summary.
fn request_by_container(sandbox: &Sandbox, user: TestUser) -> Result<String> {
    let reply = sandbox.daemon().credentials(user.profile);
    ensure!(reply.status == 200, "{}: {}", user.profile, reply.body);
    Ok(summary(&reply.json()))
}

/// Requests the active profile's credentials by IMDSv2 and returns their summary.
fn request_by_imds(sandbox: &Sandbox) -> Result<String> {
    let base = format!("http://127.0.0.1:{}/latest", sandbox.daemon().port());
    let token =
        put_with(&format!("{base}/api/token"), &[("x-aws-ec2-metadata-token-ttl-seconds", "60")]).body;
    let token = [("x-aws-ec2-metadata-token", token.as_str())];
    let roles = format!("{base}/meta-data/iam/security-credentials/");
    let role = get_with(&roles, &token);
    let document = get_with(&format!("{roles}{}", role.body), &token);
    ensure!(document.status == 200, "IMDS: {}", document.body);
    Ok(summary(&document.json()))
}

/// Returns the end of the access key id and the expiration. Neither is secret, and they show that the credentials
/// change.
fn summary(document: &serde_json::Value) -> String {
    let text = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
    let key = text("AccessKeyId");
    format!(
        "access key …{}, until {}",
        key.get(key.len().saturating_sub(4)..).unwrap_or_default(),
        text("Expiration")
    )
}

/// Returns a flag that Ctrl-C sets, so that the demo can remove its folder before it ends.
fn watch_for_interrupt() -> Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = interrupted.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            // Without the handler, Ctrl-C ends the process at once.
            let _ = tokio::signal::ctrl_c().await;
        });
        flag.store(true, Ordering::SeqCst);
    });
    Ok(interrupted)
}

fn step(number: usize, text: &str) -> Result<()> {
    print_line(&format!("\n{number}. {text}"))
}

/// Prints a line. A closed pipe is an error, so that the demo stops its processes before it ends.
fn print_line(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{text}").context("cannot write to stdout")
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<SignedDuration>().ok().and_then(|parsed| Duration::try_from(parsed).ok());
    parsed.ok_or_else(|| "write it as 20s or 2m".to_owned())
}
