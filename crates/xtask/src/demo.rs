//! `cargo xtask demo`: what ssod does, before a stranger's eyes, in a minute.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use jiff::SignedDuration;
use ssod_testkit::{Person, Sandbox, get_with, programs, put_with};

use crate::tools::build_programs;

/// Short enough that a person sees several renewals, long enough to read.
const LIFE: &str = "20s";
const LOOK: Duration = Duration::from_secs(2);

/// Starts a fake IAM Identity Center and an ssod daemon, signs two people in, and shows credentials being served and
/// renewed.
#[derive(Args)]
pub(crate) struct Demo {
    /// End after this long; without it, at Ctrl-C.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    lasting: Option<Duration>,
    /// Approve the sign-ins by itself, instead of asking a person to.
    #[arg(long)]
    unattended: bool,
}

pub(crate) fn run(demo: &Demo) -> Result<()> {
    build_programs()?;
    let interrupted = watch_for_interrupt()?;
    let attended = !demo.unattended && std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    say("ssod keeps AWS IAM Identity Center sign-ins alive and serves their credentials to every AWS tool.")?;
    say("This demo has a folder of its own; nothing of yours is touched, and nothing leaves this machine.")?;

    let mut sandbox = Sandbox::with_lives(LIFE);
    step(1, &format!("A fake IAM Identity Center listens at {}.", sandbox.fake_url()))?;
    say(&format!(
        "   alice may administer the account, bob may only look. Tokens and credentials live {LIFE}, so that you see them renewed."
    ))?;

    step(2, "`ssod configure` writes a session and a profile for each into an AWS config file.")?;
    let people = [Person::ADMIN, Person::READ_ONLY];
    for person in people {
        sandbox.configure(person);
    }
    sandbox.start_daemon();

    for (number, person) in (3..).zip(people) {
        step(number, &format!("`ssod login {}`: {} signs in, once.", person.profile, person.user))?;
        if attended {
            say(&format!("   Choose {} on the page and approve.", person.user))?;
            ask_person(&sandbox, person)?;
        } else {
            sandbox.login(person).succeeded();
            say("   Approved, as a person would in the browser.")?;
        }
    }

    step(5, "Any AWS SDK gets credentials from 127.0.0.1, by either protocol:")?;
    sandbox.ssod(&["use", Person::READ_ONLY.profile]).succeeded();
    for person in people {
        say(&format!(
            "   container credentials  {:<13} {}",
            person.profile,
            by_container(&sandbox, person)?
        ))?;
    }
    say(&format!("   IMDSv2                 {:<13} {}", Person::READ_ONLY.profile, by_imds(&sandbox)?))?;

    let until =
        demo.lasting.map_or("until Ctrl-C".to_owned(), |lasting| format!("for {}s", lasting.as_secs()));
    step(6, &format!("`ssod status`, {until}. Watch EXPIRES IN: nobody signs in again."))?;
    let deadline = demo.lasting.map(|lasting| Instant::now() + lasting);
    let over =
        || interrupted.load(Ordering::SeqCst) || deadline.is_some_and(|deadline| Instant::now() >= deadline);
    let (mut served, mut keys) = (0, std::collections::BTreeSet::new());
    while !over() {
        for person in people {
            keys.insert(by_container(&sandbox, person)?);
            served += 1;
        }
        say(&format!("\n{}", sandbox.ssod(&["status"]).succeeded().trim_end()))?;
        let look = Instant::now() + LOOK;
        while Instant::now() < look && !over() {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let renewed = sandbox.count("GetRoleCredentials").saturating_sub(people.len());
    let sign_ins = people.len();
    say(&format!(
        "\n{served} requests were served, credentials were renewed {renewed} times, and people signed in {sign_ins} times in all."
    ))?;
    ensure!(served > 0, "nothing was served");
    ensure!(renewed > 0, "nothing was renewed; give it at least 15 seconds");
    say("That is ssod. The README says how to install it.")?;
    Ok(())
}

/// The person's own terminal and browser do it.
fn ask_person(sandbox: &Sandbox, person: Person) -> Result<()> {
    let mut command = sandbox.command(programs().join("ssod"));
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
    let status = command.args(["login", person.profile]).status().context("cannot run ssod")?;
    ensure!(status.success(), "nobody signed in to {}", person.profile);
    Ok(())
}

/// The end of the access key id and the expiration: enough to see that it changes, nothing that is secret.
fn by_container(sandbox: &Sandbox, person: Person) -> Result<String> {
    let reply = sandbox.credentials(person.profile);
    ensure!(reply.status == 200, "{}: {}", person.profile, reply.body);
    Ok(shown(&reply.json()))
}

fn by_imds(sandbox: &Sandbox) -> Result<String> {
    let base = format!("http://127.0.0.1:{}/latest", sandbox.port);
    let token =
        put_with(&format!("{base}/api/token"), &[("x-aws-ec2-metadata-token-ttl-seconds", "60")]).body;
    let token = [("x-aws-ec2-metadata-token", token.as_str())];
    let roles = format!("{base}/meta-data/iam/security-credentials/");
    let role = get_with(&roles, &token);
    let document = get_with(&format!("{roles}{}", role.body), &token);
    ensure!(document.status == 200, "IMDS: {}", document.body);
    Ok(shown(&document.json()))
}

fn shown(document: &serde_json::Value) -> String {
    let text = |name: &str| document[name].as_str().unwrap_or_default().to_owned();
    let key = text("AccessKeyId");
    format!(
        "access key …{}, until {}",
        key.get(key.len().saturating_sub(4)..).unwrap_or_default(),
        text("Expiration")
    )
}

/// Ctrl-C ends the demo in order, so that its folder goes too.
fn watch_for_interrupt() -> Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let seen = interrupted.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            // Without the handler, Ctrl-C ends the demo as it ends everything.
            let _ = tokio::signal::ctrl_c().await;
        });
        seen.store(true, Ordering::SeqCst);
    });
    Ok(interrupted)
}

fn step(number: usize, text: &str) -> Result<()> {
    say(&format!("\n{number}. {text}"))
}

/// A pipe that nobody reads any more ends the demo in order, so that its processes end too.
fn say(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{text}").context("nobody reads what the demo says")
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<SignedDuration>().ok().and_then(|parsed| Duration::try_from(parsed).ok());
    parsed.ok_or_else(|| "write it as 20s or 2m".to_owned())
}
