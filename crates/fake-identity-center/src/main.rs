//! `fake-identity-center`: an IAM Identity Center on loopback.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use jiff::SignedDuration;
use ssod_clock::WallClock;
use ssod_fake_identity_center::{Center, Lifetimes, Minter, Server, StsKeys, World};
use tokio::net::TcpListener;

/// An IAM Identity Center on 127.0.0.1, for testing SSO tools. It stores nothing and asks for no passwords.
///
/// Point a tool at it with AWS_ENDPOINT_URL_SSO and AWS_ENDPOINT_URL_SSO_OIDC; GET /fake/aws-config suggests an
/// AWS config file; the routes below /fake advance its clock, end sessions, make calls fail, and show its log.
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:\n  fake-identity-center --port 8400 --access-token-life 5m --role-life 2m"
)]
struct Arguments {
    /// Port on 127.0.0.1; 0 picks a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Users, accounts and assignments, as TOML; without it, alice and bob, `AdminRole` and `ReadOnlyRole`.
    #[arg(long, value_name = "FILE")]
    world: Option<PathBuf>,
    /// Life of access tokens.
    #[arg(long, default_value = "1h", value_parser = life)]
    access_token_life: Duration,
    /// Life of portal sessions, and with them of refresh tokens.
    #[arg(long, default_value = "8h", value_parser = life)]
    portal_session_life: Duration,
    /// Life of client registrations.
    #[arg(long, default_value = "2160h", value_parser = life)]
    registration_life: Duration,
    /// Life of device codes.
    #[arg(long, default_value = "10m", value_parser = life)]
    device_code_life: Duration,
    /// Life of role credentials whose permission set says nothing else.
    #[arg(long, default_value = "1h", value_parser = life)]
    role_life: Duration,
    /// Let refresh tokens work more than once.
    #[arg(long)]
    reusable_refresh_tokens: bool,
    /// Calls a second that the portal answers; more get 429.
    #[arg(long, value_name = "RATE")]
    portal_rate: Option<f64>,
    /// Share of the portal's calls, from 0 to 1, that get 429 whatever the rate.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    throttled_share: f64,
    /// An STS (moto's, say) that mints the role credentials, with the keys in `AWS_ACCESS_KEY_ID` and
    /// `AWS_SECRET_ACCESS_KEY`; without it they are made up.
    #[arg(long, value_name = "URL")]
    sts_endpoint: Option<String>,
    /// What the fake's secrets follow from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let world = match &arguments.world {
        Some(path) => {
            let text =
                std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            World::parse(&text).with_context(|| format!("{} is not a world", path.display()))?
        }
        None => World::seed(),
    };
    let lifetimes = Lifetimes {
        access_token: arguments.access_token_life,
        portal_session: arguments.portal_session_life,
        registration: arguments.registration_life,
        device_code: arguments.device_code_life,
        role: arguments.role_life,
        single_use_refresh_tokens: !arguments.reusable_refresh_tokens,
        ..Lifetimes::default()
    };
    let minter = match arguments.sts_endpoint {
        Some(endpoint) => Minter::sts(StsKeys {
            endpoint,
            access_key_id: std::env::var("AWS_ACCESS_KEY_ID").context("AWS_ACCESS_KEY_ID is not set")?,
            secret_access_key: std::env::var("AWS_SECRET_ACCESS_KEY")
                .context("AWS_SECRET_ACCESS_KEY is not set")?,
        })?,
        None => Minter::MadeUp,
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port)).await.context("cannot listen")?;
    let base_url = format!("http://{}", listener.local_addr()?);
    #[expect(clippy::print_stdout, reason = "the first line tells a script where the fake is")]
    {
        println!("{base_url}");
    }
    let mut center = Center::new(world, lifetimes, arguments.seed);
    if arguments.portal_rate.is_some() || arguments.throttled_share > 0.0 {
        center.throttle(arguments.portal_rate.unwrap_or(f64::MAX), arguments.throttled_share);
    }
    Server::new(center, WallClock::default(), minter, base_url)
        .serve(listener, stop())
        .await
        .context("cannot serve")
}

/// Ends at the first SIGTERM or Ctrl-C.
async fn stop() {
    let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
    match terminate {
        Ok(mut terminate) => tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        },
        // Without the handler, SIGTERM ends the process as it always does.
        Err(_) => std::future::pending().await,
    }
}

fn life(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<SignedDuration>().map_err(|error| error.to_string())?;
    Duration::try_from(parsed).map_err(|_| "a life cannot be negative".to_owned())
}
