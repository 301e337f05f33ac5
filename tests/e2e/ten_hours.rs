//! Simulates ten hours in a few seconds: the fake and the daemon run in this process with one manual clock.

use std::path::Path;
use std::time::{Duration, Instant};

use ssod_control::{ControlClient, EnvRequest, Environment, LoginEvent, LoginFlow, LoginRequest, Paths};
use ssod_daemon::{App, Inherited, Options, Settings};
use ssod_fake_identity_center::{Center, Lifetimes, Minter, Server, World};
use ssod_model::{Timestamp, TimestampExt};
use ssod_testkit::{ManualClock, approve_device, get_with};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

const MINUTE: Duration = Duration::from_mins(1);
/// No SDK tries to renew credentials with more time left than this; see `Floor` in `ssod-model`.
const IMDS_FLOOR: Duration = Duration::from_mins(25);

fn paths(home: &Path) -> Paths {
    Paths {
        home: home.to_owned(),
        settings: home.join("config.toml"),
        state: home.join("state"),
        runtime: home.join("run"),
        socket: home.join("run/control.sock"),
        aws_config: home.join("aws-config"),
        aws_credentials: home.join("aws-credentials"),
        aws_cache: home.join("aws-cache"),
    }
}

async fn start_fake(clock: ManualClock) -> (Server, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let lifetimes = Lifetimes { portal_session: Duration::from_hours(24), ..Lifetimes::default() };
    let center = Center::new(World::seed(), lifetimes, 1);
    let server = Server::new(center, clock, Minter::Invented, url.clone());
    tokio::spawn(server.clone().serve(listener, std::future::pending()));
    (server, url)
}

async fn sign_in(socket: std::path::PathBuf, fake: String) {
    tokio::task::spawn_blocking(move || {
        let request =
            LoginRequest { name: "adminUser".into(), flow: Some(LoginFlow::DeviceCode), has_browser: false };
        for event in ControlClient::new(&socket).events("/v1/login", &request).unwrap() {
            match event.unwrap() {
                LoginEvent::DeviceCode { code, .. } => {
                    assert_eq!(approve_device(&fake, &code, "alice", true).status, 200);
                }
                LoginEvent::SignedIn { .. } => return,
                other => panic!("{other:?}"),
            }
        }
    })
    .await
    .unwrap();
}

/// Returns the profile's token, as `ssod env` does.
async fn endpoint_token(socket: std::path::PathBuf) -> String {
    let request = EnvRequest { profile: Some("adminUser".into()), imds: false };
    let ask = move || ControlClient::new(&socket).post::<Environment>("/v1/env", &request).unwrap();
    tokio::task::spawn_blocking(ask).await.unwrap().token.unwrap()
}

/// Requests credentials, and returns the time until they expire.
async fn request_time_left(endpoint: &str, token: &str, clock: &ManualClock) -> Duration {
    let (endpoint, token) = (endpoint.to_owned(), token.to_owned());
    let request = move || get_with(&endpoint, &[("authorization", &token)]);
    let reply = tokio::task::spawn_blocking(request).await.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.body);
    let expiration: Timestamp = reply.json()["Expiration"].as_str().unwrap().parse().unwrap();
    expiration.since_or_zero(clock.now())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_ten_hours_one_approval_suffices_and_credentials_always_have_enough_time_left() {
    let home = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(1_800_000_000);
    let (server, url) = start_fake(clock.clone()).await;
    let paths = paths(home.path());
    let config = server.center().world().aws_config(&format!("{url}/start"));
    std::fs::write(&paths.aws_config, config).unwrap();
    let settings = Settings::parse("[vault]\nkey = \"file\"\n[refresh]\nkeep_fresh = \"all\"\n").unwrap();
    let fake_url = url.clone();
    let variable = move |name: &str| name.starts_with("AWS_ENDPOINT_URL_SSO").then(|| fake_url.clone());
    let (variable, inherited) = (Box::new(variable), Inherited::default());
    let options = Options { paths: paths.clone(), settings, variable, inherited };
    let app = App::start(options, clock.clone().into()).await.unwrap();
    let endpoint = format!("http://127.0.0.1:{}/credentials/adminUser", app.port());
    let (stop, stopped) = oneshot::channel::<()>();
    let daemon = tokio::spawn(app.run_until(async move { drop(stopped.await) }));
    sign_in(paths.socket.clone(), url).await;

    let token = endpoint_token(paths.socket).await;
    for minute in 0..600 {
        clock.advance(MINUTE);
        // The renewals that are due now are real calls over loopback, which take no time on the manual clock.
        tokio::time::sleep(Duration::from_millis(8)).await;
        let deadline = Instant::now() + Duration::from_secs(30);
        while request_time_left(&endpoint, &token, &clock).await < IMDS_FLOOR {
            assert!(Instant::now() < deadline, "minute {minute}: the credentials are not renewed");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let log: Vec<_> = server.center().log().cloned().collect();
    let count = |operation: &str, detail: &str| {
        log.iter()
            .filter(|one| one.operation == operation && one.detail.contains(detail) && one.status == 200)
            .count()
    };
    assert_eq!(count("CreateToken", "device_code"), 1, "more than one approval");
    assert!(
        (14..=17).contains(&count("CreateToken", "refresh_token")),
        "the token is not renewed with 20 minutes left"
    );
    assert!(
        (20..=26).contains(&count("GetRoleCredentials", "AdminRole")),
        "the credentials are not renewed at half of their hour"
    );
    drop(stop);
    daemon.await.unwrap();
}
