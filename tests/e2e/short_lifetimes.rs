//! With lifetimes of six seconds, no request gets expired credentials for a minute.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use ssod_testkit::{Sandbox, TestUser};

const MINUTE: Duration = Duration::from_mins(1);

#[test]
fn in_a_minute_of_six_second_lifetimes_no_expired_credentials_are_served() {
    let mut sandbox = Sandbox::with_lifetime("6s");
    sandbox.configure(TestUser::ADMIN);
    sandbox.start_daemon();
    sandbox.login(TestUser::ADMIN).succeeded();
    let (served, until) = (AtomicUsize::new(0), Instant::now() + MINUTE);
    let sandbox = &sandbox;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while Instant::now() < until {
                    let reply = sandbox.daemon().credentials("adminUser");
                    #[expect(clippy::disallowed_methods, reason = "real processes use the real time")]
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
    let log = sandbox.fake().log();
    let calls = |operation: &str, detail: &str| {
        log.iter().filter(|call| call.operation == operation && call.detail.contains(detail)).count()
    };
    assert_eq!(
        calls("CreateToken", "authorization_code") + calls("CreateToken", "device_code"),
        1,
        "more than one approval"
    );
    // Tokens and credentials are renewed every three seconds.
    assert!((15..=30).contains(&calls("CreateToken", "refresh_token")), "{log:?}");
    assert!((15..=30).contains(&calls("GetRoleCredentials", "")), "{log:?}");
}
