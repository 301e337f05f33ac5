//! A thousand simultaneous requests for one profile whose credentials have expired.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ssod_testkit::{FakeOptions, Sandbox, TestUser, wait_until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;

const CLIENTS: usize = 1_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_simultaneous_requests_make_one_call() {
    let mut sandbox = Sandbox::with_fake(&FakeOptions::arguments(&["--role-life", "8s"]));
    // Nothing is kept fresh, so expired credentials are renewed only for a request.
    sandbox.add_settings("[refresh]\nkeep_fresh = []\n");
    sandbox.configure(TestUser::ADMIN);
    sandbox.start_daemon();
    sandbox.login(TestUser::ADMIN).succeeded();
    assert_eq!(sandbox.daemon().credentials("adminUser").status, 200);
    wait_until("the credentials have expired", || {
        sandbox.daemon().profile("adminUser").unwrap().expires_at.is_none()
    });
    let before = sandbox.fake().successful_calls("GetRoleCredentials");
    sandbox.fake().delay("GetRoleCredentials", Duration::from_millis(200));

    let token = sandbox.daemon().token("adminUser");
    let request = format!(
        "GET /credentials/adminUser HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {token}\r\nConnection: close\r\n\r\n"
    );
    let (request, start) = (Arc::new(request), Arc::new(Barrier::new(CLIENTS)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (request, start, port) = (request.clone(), start.clone(), sandbox.daemon().port());
            tokio::spawn(async move {
                start.wait().await;
                ask(port, &request).await
            })
        })
        .collect();
    for client in clients {
        let answer = client.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    }
    assert_eq!(sandbox.fake().successful_calls("GetRoleCredentials") - before, 1);
}

/// Sends the request on a connection of its own and returns the answer. On a loaded machine, some time passes between
/// the connection and its request, and then the connection may have to give way to another one; SDKs then try again.
async fn ask(port: u16, request: &str) -> String {
    for _ in 0..20 {
        match try_to_ask(port, request).await {
            Ok(answer) if !answer.is_empty() => return answer,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("each connection was closed without an answer")
}

async fn try_to_ask(port: u16, request: &str) -> io::Result<String> {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).await?;
    connection.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    Ok(answer)
}
