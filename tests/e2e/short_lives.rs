//! Lives of six seconds: a minute of real requests must not see one expired credential.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use ssod_testkit::{Person, Sandbox, get};

const MINUTE: Duration = Duration::from_mins(1);

#[test]
fn a_minute_of_requests_with_lives_of_six_seconds_and_one_approval() {
    let mut sandbox = Sandbox::with_lives("6s");
    sandbox.configure(Person::ADMIN);
    sandbox.start_daemon();
    sandbox.login(Person::ADMIN).succeeded();
    let (served, until) = (AtomicUsize::new(0), Instant::now() + MINUTE);
    let sandbox = &sandbox;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while Instant::now() < until {
                    let reply = sandbox.credentials("adminUser");
                    #[expect(
                        clippy::disallowed_methods,
                        reason = "real processes are judged by the real time"
                    )]
                    let now = Timestamp::now();
                    assert_eq!(reply.status, 200, "{}", reply.body);
                    let expiration: Timestamp = reply.json()["Expiration"].as_str().unwrap().parse().unwrap();
                    assert!(expiration > now, "{expiration} was served at {now}");
                    served.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(25));
                }
            });
        }
    });
    assert!(served.load(Ordering::Relaxed) > 2_000, "{served:?} requests were served");
    let log = get(&format!("{}/fake/log", sandbox.fake_url())).json();
    let asked = |operation: &str, detail: &str| {
        let log = log.as_array().unwrap().iter();
        log.filter(|one| one["operation"] == operation && one["detail"].as_str().unwrap().contains(detail))
            .count()
    };
    assert_eq!(
        asked("CreateToken", "authorization_code") + asked("CreateToken", "device_code"),
        1,
        "one approval"
    );
    assert!(
        (15..=30).contains(&asked("CreateToken", "refresh_token")),
        "the sign-in renews every three seconds"
    );
    assert!((15..=30).contains(&asked("GetRoleCredentials", "")), "and so do the credentials");
}
