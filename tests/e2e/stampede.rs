//! A thousand simultaneous requests for one expired profile.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use ssod_testkit::{FakeOptions, Person, Sandbox};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;

const CLIENTS: usize = 1_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_simultaneous_requests_make_one_call() {
    let arguments = ["--role-life", "8s"].map(str::to_owned).to_vec();
    let mut sandbox = Sandbox::with_fake(&FakeOptions { arguments, ..FakeOptions::default() });
    // Nothing is kept fresh, so that what expires stays expired until somebody asks.
    sandbox.settings("[refresh]\nkeep_fresh = []\n");
    sandbox.configure(Person::ADMIN);
    sandbox.start_daemon();
    sandbox.login(Person::ADMIN).succeeded();
    assert_eq!(sandbox.credentials("adminUser").status, 200);
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert!(sandbox.profile_status("adminUser")["expires_at"].is_null(), "it has expired");
    let before = sandbox.count("GetRoleCredentials");
    let slowly = json!({ "kind": "delay", "operation": "GetRoleCredentials", "delay_ms": 200 });
    sandbox.tell_fake("fault", &slowly);

    let token = std::fs::read_to_string(sandbox.home().join("run/ssod/tokens/profile-adminUser")).unwrap();
    let request = format!(
        "GET /credentials/adminUser HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {token}\r\nConnection: close\r\n\r\n"
    );
    let (request, start) = (Arc::new(request), Arc::new(Barrier::new(CLIENTS)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (request, start, port) = (request.clone(), start.clone(), sandbox.port);
            tokio::spawn(async move {
                let mut connection = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                start.wait().await;
                connection.write_all(request.as_bytes()).await.unwrap();
                let mut answer = String::new();
                connection.read_to_string(&mut answer).await.unwrap();
                answer
            })
        })
        .collect();
    for client in clients {
        let answer = client.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    assert_eq!(sandbox.count("GetRoleCredentials") - before, 1);
}
