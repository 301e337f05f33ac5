//! `fake-identity-center`: a fake IAM Identity Center on loopback.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use jiff::SignedDuration;
use ssod_clock::WallClock;
use ssod_fake_identity_center::{Center, Lifetimes, Minter, Server, StsKeys, World};
use tokio::net::TcpListener;

/// Run a fake IAM Identity Center on 127.0.0.1, to test SSO tools. It stores nothing and requires no passwords.
///
/// The first line of its output is its URL: set AWS_ENDPOINT_URL_SSO and AWS_ENDPOINT_URL_SSO_OIDC of a tool to it. GET
/// /fake/aws-config returns an AWS config file. Other routes below /fake advance its clock, end sessions, make calls
/// fail, and return its log.
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:\n  fake-identity-center --port 8400 --access-token-life 5m --role-life 2m"
)]
struct FakeArguments {
    /// Port on 127.0.0.1; 0 selects a free port.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// TOML file with users, accounts and assignments; by default, alice and bob with `AdminRole` and `ReadOnlyRole`.
    #[arg(long, value_name = "FILE")]
    world: Option<PathBuf>,
    /// Lifetime of access tokens.
    #[arg(long, default_value = "1h", value_parser = parse_lifetime)]
    access_token_life: Duration,
    /// Lifetime of portal sessions and of their refresh tokens.
    #[arg(long, default_value = "8h", value_parser = parse_lifetime)]
    portal_session_life: Duration,
    /// Lifetime of client registrations.
    #[arg(long, default_value = "2160h", value_parser = parse_lifetime)]
    registration_life: Duration,
    /// Lifetime of device codes.
    #[arg(long, default_value = "10m", value_parser = parse_lifetime)]
    device_code_life: Duration,
    /// Lifetime of role credentials, unless their permission set has another lifetime.
    #[arg(long, default_value = "1h", value_parser = parse_lifetime)]
    role_life: Duration,
    /// Accept each refresh token more than once.
    #[arg(long)]
    reusable_refresh_tokens: bool,
    /// Calls per second that the portal answers; further calls get 429.
    #[arg(long, value_name = "RATE")]
    portal_rate: Option<f64>,
    /// Share of the portal's calls, from 0 to 1, that get 429 at any rate.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    throttled_share: f64,
    /// An STS that issues the role credentials, such as moto. Its keys are in `AWS_ACCESS_KEY_ID` and
    /// `AWS_SECRET_ACCESS_KEY`. By default, the credentials are invented.
    #[arg(long, value_name = "URL")]
    sts_endpoint: Option<String>,
    /// Seed of the secrets: the same seed gives the same secrets.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = FakeArguments::parse();
    let world = match &arguments.world {
        Some(path) => {
            let text =
                std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            World::parse(&text).with_context(|| format!("{} is not valid", path.display()))?
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
        None => Minter::Invented,
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, arguments.port)).await.context("cannot listen")?;
    let base_url = format!("http://{}", listener.local_addr()?);
    #[expect(clippy::print_stdout, reason = "scripts read the URL from the first line")]
    {
        println!("{base_url}");
    }
    let mut center = Center::new(world, lifetimes, arguments.seed);
    if arguments.portal_rate.is_some() || arguments.throttled_share > 0.0 {
        center.throttle(arguments.portal_rate.unwrap_or(f64::MAX), arguments.throttled_share);
    }
    Server::new(center, WallClock::default(), minter, base_url)
        .serve(listener, stop_signal())
        .await
        .context("cannot serve")
}

/// Waits for SIGTERM or Ctrl-C.
async fn stop_signal() {
    let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
    match terminate {
        Ok(mut terminate) => tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        },
        // Without the handler, SIGTERM ends the process at once.
        Err(_) => std::future::pending().await,
    }
}

fn parse_lifetime(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<SignedDuration>().map_err(|error| error.to_string())?;
    Duration::try_from(parsed).map_err(|_| "a lifetime cannot be negative".to_owned())
}
