//! Ten hours in a few seconds: fake and daemon in this process, on one manual clock.

use std::path::Path;
use std::time::Duration;

use ssod_control::{ControlClient, LoginEvent, LoginFlow, LoginRequest, Paths};
use ssod_daemon::{App, Inherited, Options, Settings};
use ssod_fake_identity_center::{Center, Lifetimes, Minter, Server, World};
use ssod_model::{Timestamp, TimestampExt};
use ssod_testkit::{ManualClock, approve_device, get_with};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

const MINUTE: Duration = Duration::from_mins(1);
/// What SDKs need to be left alone: see the floors of the model.
const IMDS_FLOOR: Duration = Duration::from_mins(25);

fn paths(home: &Path) -> Paths {
    Paths {
        settings: home.join("config.toml"),
        state: home.join("state"),
        runtime: home.join("run"),
        socket: home.join("run/control.sock"),
        aws_config: home.join("aws-config"),
        aws_cache: home.join("aws-cache"),
    }
}

async fn fake(clock: ManualClock) -> (Server, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let lifetimes = Lifetimes { portal_session: Duration::from_hours(24), ..Lifetimes::default() };
    let center = Center::new(World::seed(), lifetimes, 1);
    let server = Server::new(center, clock, Minter::MadeUp, url.clone());
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_hours_with_one_approval_and_never_short_lived_credentials() {
    let home = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(1_800_000_000);
    let (server, url) = fake(clock.clone()).await;
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

    let token = std::fs::read_to_string(paths.token(Some("adminUser"), 0)).unwrap();
    for minute in 0..600 {
        clock.advance(MINUTE);
        // The renewals that the minute made due are real calls over loopback.
        tokio::time::sleep(Duration::from_millis(8)).await;
        let (endpoint, token) = (endpoint.clone(), token.clone());
        let reply = tokio::task::spawn_blocking(move || get_with(&endpoint, &[("authorization", &token)]))
            .await
            .unwrap();
        assert_eq!(reply.status, 200, "minute {minute}: {}", reply.body);
        let expiration: Timestamp = reply.json()["Expiration"].as_str().unwrap().parse().unwrap();
        let left = expiration.since_or_zero(clock.now());
        assert!(left >= IMDS_FLOOR, "minute {minute}: {left:?} left");
    }
    let log: Vec<_> = server.center().log().cloned().collect();
    let count = |operation: &str, detail: &str| {
        log.iter()
            .filter(|one| one.operation == operation && one.detail.contains(detail) && one.status == 200)
            .count()
    };
    assert_eq!(count("CreateToken", "device_code"), 1, "one approval");
    assert!(
        (14..=17).contains(&count("CreateToken", "refresh_token")),
        "the token renews with 20 minutes left"
    );
    assert!(
        (20..=26).contains(&count("GetRoleCredentials", "AdminRole")),
        "the role renews at half of its hour"
    );
    drop(stop);
    daemon.await.unwrap();
}
