//! Each call over real HTTP, to the fake Identity Center and to hostile servers.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

use std::time::{Duration, Instant};

use ssod_clock::{Clock, WallClock};
use ssod_fake_identity_center::{AwsAccount, Center, Lifetimes, Minter, Server, World};
use ssod_identity_center::{HttpOptions, IdentityCenter, LoopbackCheck, LoopbackConnection};
use ssod_model::{
    AccountId, ClientRegistration, Endpoints, Grant, IdentityError, IdentityProvider, Region, RoleName,
    Secret, SessionName, SessionTokens, SignInFlow, SsoSession, StartUrl, Timestamp, TimestampExt,
    system_time,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn session(url: &str) -> SsoSession {
    SsoSession {
        name: SessionName::parse("s").unwrap(),
        start_url: StartUrl::parse(&format!("{url}/start")).unwrap(),
        region: Region::parse("us-east-1").unwrap(),
        scopes: vec!["sso:account:access".to_owned()],
        endpoints: Endpoints {
            portal: Some(url.to_owned()),
            oidc: Some(url.to_owned()),
            ..Endpoints::default()
        },
    }
}

/// Returns options with which the servers of these tests are trusted.
fn options() -> HttpOptions {
    HttpOptions { loopback: LoopbackCheck::new(|_| Ok(())), ..HttpOptions::default() }
}

fn client() -> IdentityCenter {
    IdentityCenter::new(&options(), WallClock::default().into()).unwrap()
}

async fn fake(world: World) -> (Server, SsoSession) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = Server::new(
        Center::new(world, Lifetimes::default(), 1),
        WallClock::default(),
        Minter::Invented,
        url.clone(),
    );
    tokio::spawn(server.clone().serve(listener, std::future::pending()));
    (server, session(&url))
}

async fn sign_in(server: &Server, session: &SsoSession) -> SessionTokens {
    let aws = client();
    let registered = aws.register_client(session, SignInFlow::DeviceCode).await.unwrap();
    let device = aws.start_device_authorization(session, &registered).await.unwrap();
    let poll = || aws.create_token(session, &registered, Grant::DeviceCode(device.device_code.clone()));
    assert_eq!(poll().await.unwrap_err(), IdentityError::Pending);
    assert_eq!(poll().await.unwrap_err(), IdentityError::SlowDown);
    server.center().answer_device(system_time(), &device.user_code, "alice", true).unwrap();
    poll().await.unwrap()
}

#[tokio::test]
async fn a_session_from_sign_in_to_sign_out() {
    let (server, session) = fake(World::seed()).await;
    let aws = client();
    let tokens = sign_in(&server, &session).await;
    assert_eq!(tokens.expires_at.since_or_zero(tokens.issued_at).as_secs(), 3_600);

    let accounts = aws.list_accounts(&session, &tokens.access_token).await.unwrap();
    let roles = aws.list_account_roles(&session, &tokens.access_token, &accounts[0].id).await.unwrap();
    assert_eq!(roles.iter().map(RoleName::as_str).collect::<Vec<_>>(), ["AdminRole", "ReadOnlyRole"]);
    let granted =
        aws.role_credentials(&session, &tokens.access_token, &accounts[0].id, &roles[0]).await.unwrap();
    assert!(granted.life() > Duration::from_secs(3_590));
    let missing = RoleName::parse("Missing").unwrap();
    let refused = aws.role_credentials(&session, &tokens.access_token, &accounts[0].id, &missing).await;
    assert_eq!(refused.unwrap_err(), IdentityError::NoAccess);

    let refresh = || Grant::RefreshToken(tokens.refresh_token.clone().unwrap());
    let renewed = aws.create_token(&session, &tokens.client, refresh()).await.unwrap();
    assert!(renewed.refresh_token != tokens.refresh_token, "each renewal returns a new refresh token");
    let spent = aws.create_token(&session, &tokens.client, refresh()).await;
    assert_eq!(spent.unwrap_err(), IdentityError::GrantRejected);

    aws.logout(&session, &renewed.access_token).await.unwrap();
    let after = aws.list_accounts(&session, &renewed.access_token).await;
    assert_eq!(after.unwrap_err(), IdentityError::Unauthorized);
}

#[tokio::test]
async fn an_answer_without_a_refresh_token_keeps_the_old_one() {
    let (server, session) = fake(World::seed()).await;
    server.center().lifetimes.single_use_refresh_tokens = false;
    let tokens = sign_in(&server, &session).await;
    let refresh = Grant::RefreshToken(tokens.refresh_token.clone().unwrap());
    let renewed = client().create_token(&session, &tokens.client, refresh).await.unwrap();
    assert!(renewed.refresh_token == tokens.refresh_token && renewed.access_token != tokens.access_token);
}

#[tokio::test]
async fn all_pages_of_a_list_are_read() {
    let mut world = World::seed();
    for number in 0..250 {
        let id = format!("{number:012}");
        world.accounts.push(AwsAccount {
            id: id.clone(),
            name: format!("account {number}"),
            email: String::new(),
        });
        let (user, role) = ("alice".to_owned(), "AdminRole".to_owned());
        world.assignments.push(ssod_fake_identity_center::Assignment { user, account: id, role });
    }
    let (server, session) = fake(world).await;
    let tokens = sign_in(&server, &session).await;
    assert_eq!(client().list_accounts(&session, &tokens.access_token).await.unwrap().len(), 251);
    assert_eq!(server.center().successful_calls("ListAccounts"), 3);
}

/// Starts a server that answers each request with `answer`, and then repeats `endless`, if there is one, forever.
async fn hostile_server(answer: Vec<u8>, endless: Option<Vec<u8>>) -> SsoSession {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            let (answer, endless) = (answer.clone(), endless.clone());
            tokio::spawn(async move {
                let mut request = [0; 4_096];
                let _ = connection.read(&mut request).await;
                let _ = connection.write_all(&answer).await;
                while let Some(more) = &endless {
                    if connection.write_all(more).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    session(&url)
}

fn json(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into()
}

fn registered() -> ClientRegistration {
    let expires_at = system_time().plus(Duration::from_hours(1));
    ClientRegistration { client_id: "id".into(), client_secret: Secret::new("secret".into()), expires_at }
}

async fn refresh(session: &SsoSession) -> Result<SessionTokens, IdentityError> {
    client().create_token(session, &registered(), Grant::RefreshToken(Secret::new("r".into()))).await
}

fn assert_unavailable<T>(outcome: Result<T, IdentityError>, expected_text: &str) {
    match outcome {
        Err(IdentityError::Unavailable(text)) => assert!(text.contains(expected_text), "{text}"),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("the answer was accepted"),
    }
}

#[tokio::test]
async fn endless_and_oversized_answers_are_refused() {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let chunk = [b"10000\r\n".to_vec(), vec![b' '; 0x10000], b"\r\n".to_vec()].concat();
    let start = Instant::now();
    assert_unavailable(refresh(&hostile_server(head, Some(chunk)).await).await, "larger than");
    let huge = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n".to_vec();
    assert_unavailable(refresh(&hostile_server(huge, None).await).await, "larger than");
    assert!(start.elapsed() < Duration::from_secs(10));
}

fn assert_foreign<T>(outcome: Result<T, IdentityError>, expected: &str) {
    match outcome {
        Err(error @ IdentityError::NotFromAws { .. }) => {
            let expected =
                format!("an answer that is not AWS's: {expected} (the endpoint is overridden: http://");
            assert!(error.to_string().starts_with(&expected), "{error}");
        }
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("the answer was accepted"),
    }
}

/// Returns an answer with this status, these header lines and this body.
fn raw(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()).into()
}

#[tokio::test]
async fn redirects_are_not_followed_and_malformed_answers_are_reported() {
    let redirect = raw("302 Found", "Location: http://login.hotel.example/?token=secret\r\n", "");
    assert_foreign(
        refresh(&hostile_server(redirect, None).await).await,
        "302, a redirect to login.hotel.example",
    );
    assert_unavailable(
        refresh(&hostile_server(json("<html>"), None).await).await,
        "something that is not JSON",
    );
    assert_unavailable(
        refresh(&hostile_server(json("{}"), None).await).await,
        "JSON without the expected content",
    );
    assert_unavailable(
        refresh(&hostile_server(b"gzip? \x1f\x8b\x08".to_vec(), None).await).await,
        "cannot reach 127.0.0.1",
    );
    assert_unavailable(refresh(&session("http://127.0.0.1:1")).await, "cannot reach 127.0.0.1");
}

/// Every operation gets what proxies, captive portals and gateways answer in AWS's place.
#[tokio::test]
async fn an_answer_without_the_name_of_an_error_is_not_awss() {
    let html = "Content-Type: text/html; charset=utf-8\r\n";
    let json = "Content-Type: application/json\r\n";
    let names = "x-amzn-errortype: Forbidden\r\n";
    let page = "<html>sign in to the network</html>";
    for (answer, expected) in [
        (raw("200 OK", html, page), "200 text/html"),
        (raw("307 Temporary Redirect", html, page), "307 text/html"),
        (raw("400 Bad Request", html, page), "400 text/html"),
        (raw("401 Unauthorized", json, r#"{"message":"Unauthorized"}"#), "401 application/json"),
        (raw("403 Forbidden", html, page), "403 text/html"),
        (raw("403 Forbidden", names, ""), "403, which names the error Forbidden"),
        (raw("404 Not Found", json, r#"{"error":null}"#), "404 application/json"),
        (raw("413 Payload Too Large", "", ""), "413"),
        (raw("418 I'm a teapot", "", "short and stout"), "418"),
        (raw("421 Misdirected Request", html, ""), "421 text/html"),
        (raw("502 Bad Gateway", html, page), "502 text/html"),
    ] {
        let session = hostile_server(answer, None).await;
        let (aws, secret) = (client(), Secret::new("t".into()));
        let (account, role) = (AccountId::parse("123456789012").unwrap(), RoleName::parse("R").unwrap());
        assert_foreign(refresh(&session).await, expected);
        assert_foreign(aws.register_client(&session, SignInFlow::Browser).await, expected);
        assert_foreign(aws.start_device_authorization(&session, &registered()).await, expected);
        assert_foreign(aws.list_accounts(&session, &secret).await, expected);
        assert_foreign(aws.list_account_roles(&session, &secret, &account).await, expected);
        assert_foreign(aws.role_credentials(&session, &secret, &account, &role).await, expected);
        assert_foreign(aws.logout(&session, &secret).await, expected);
    }
}

#[tokio::test]
async fn only_awss_date_corrects_the_clock() {
    let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    let named = "x-amzn-errortype: InvalidGrantException\r\n";
    for (answer, is_corrected) in [
        (raw("403 Forbidden", date, "<html>"), false),
        (raw("200 OK", date, "<html>"), false),
        (raw("400 Bad Request", &format!("{date}{named}"), "{}"), true),
        (raw("200 OK", date, r#"{"accessToken":"a","expiresIn":60}"#), true),
    ] {
        let clock: Clock = WallClock::default().into();
        let aws = IdentityCenter::new(&options(), clock.clone()).unwrap();
        let session = hostile_server(answer.clone(), None).await;
        let _ = aws.create_token(&session, &registered(), Grant::RefreshToken(Secret::new("r".into()))).await;
        let is_years_off = clock.now() < system_time().minus(Duration::from_hours(24 * 365));
        assert_eq!(is_years_off, is_corrected, "{}", String::from_utf8_lossy(&answer));
    }
}

#[tokio::test]
async fn impossible_lifetimes_are_limited_and_control_characters_are_refused() {
    for (expires_in, at_most) in [("-1", 0), ("9223372036854775807", 366 * 24 * 3_600 + 5)] {
        let session =
            hostile_server(json(&format!(r#"{{"accessToken":"a","expiresIn":{expires_in}}}"#)), None).await;
        let life = refresh(&session).await.unwrap().expires_at.since_or_zero(system_time());
        assert!(life.as_secs() <= at_most, "{expires_in}: {life:?}");
    }
    let too_large =
        hostile_server(json(r#"{"accessToken":"a","expiresIn":18446744073709551616}"#), None).await;
    assert_unavailable(refresh(&too_large).await, "JSON without the expected content");
    let injected = hostile_server(json(r#"{"accessToken":"a\r\nx-evil: 1","expiresIn":1}"#), None).await;
    assert_unavailable(refresh(&injected).await, "control characters");
    let far = r#"{"roleCredentials":{"accessKeyId":"A","secretAccessKey":"s","sessionToken":"t","expiration":9223372036854775807}}"#;
    let session = hostile_server(json(far), None).await;
    let (account, role) = (AccountId::parse("123456789012").unwrap(), RoleName::parse("R").unwrap());
    assert_unavailable(
        client().role_credentials(&session, &Secret::new("t".into()), &account, &role).await,
        "impossible time",
    );
    assert!(Timestamp::from_second(i64::MAX).is_err());
}

/// The time limit is for the whole answer, so a byte per second does not extend it. tokio's paused clock skips the
/// waits.
#[tokio::test(start_paused = true)]
async fn an_answer_of_one_byte_per_second_exceeds_the_time_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let _ = connection.read(&mut [0; 4_096]).await;
        let _ = connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n").await;
        while connection.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let start = tokio::time::Instant::now();
    assert_unavailable(refresh(&session(&url)).await, "did not answer in time");
    assert!(start.elapsed() < Duration::from_secs(20));
}

/// A small compressed answer could expand to a huge one, so no answer is decompressed, and this one is not JSON.
#[tokio::test]
async fn a_compressed_answer_is_not_decompressed() {
    let compressed = [
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 29\r\n\r\n".to_vec(),
        vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xed, 0xc1, 1, 1, 0, 0, 0, 0x80, 0x90, 0xfe, 0xaf, 0xee, 8, 0, 0, 0, 0, 0, 0],
    ];
    assert_unavailable(
        refresh(&hostile_server(compressed.concat(), None).await).await,
        "something that is not JSON",
    );
}

/// Answers one request with this text, and returns the URL and the task that yields the request.
async fn answer_once(answer: &'static str) -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let request = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut received = vec![0; 4_096];
        let length = connection.read(&mut received).await.unwrap();
        connection.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8_lossy(&received[..length]).into_owned()
    });
    (url, request)
}

#[tokio::test]
async fn a_probe_tells_awss_answer_from_a_captive_portals_and_sends_no_secret() {
    let limit = Duration::from_secs(5);
    for (answer, shown, is_from_aws) in [
        (
            "HTTP/1.1 404 Not Found\r\nx-amzn-RequestId: 1\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
            "404 application/json",
            true,
        ),
        (
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: 0\r\n\r\n",
            "302 text/html",
            false,
        ),
    ] {
        let (url, request) = answer_once(answer).await;
        let probed = client().probe(&url, limit).await.unwrap();
        assert_eq!((probed.to_string().as_str(), probed.is_from_aws), (shown, is_from_aws));
        let request = request.await.unwrap();
        assert!(request.starts_with("GET / HTTP/1.1\r\n") && !request.contains("x-amz"), "{request}");
    }
}

#[tokio::test]
async fn a_probe_of_a_silent_endpoint_ends() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let begun = Instant::now();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let error = client().probe(&url, Duration::from_millis(200)).await.unwrap_err();
    assert!(error.to_string().contains("did not answer in time"), "{error}");
    drop(listener);
    let error = client().probe(&url, Duration::from_secs(5)).await.unwrap_err();
    assert!(error.to_string().contains("cannot reach 127.0.0.1"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

/// A listener of another user gets a connection, and not one byte on it.
#[tokio::test]
async fn a_listener_that_is_not_trusted_gets_no_byte() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = listener.local_addr().unwrap();
    let session = session(&format!("http://{server}"));
    let received = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut received = Vec::new();
        connection.read_to_end(&mut received).await.unwrap();
        received
    });
    let refuse = move |connection: LoopbackConnection| {
        assert_eq!(connection.server, server);
        let reason = "another user listens there".to_owned();
        Err(IdentityError::UntrustedEndpoint { reason, remedy: String::new() })
    };
    let options = HttpOptions { loopback: LoopbackCheck::new(refuse), ..HttpOptions::default() };
    let aws = IdentityCenter::new(&options, WallClock::default().into()).unwrap();
    let grant = Grant::RefreshToken(Secret::new("r".into()));
    let refused = aws.create_token(&session, &registered(), grant).await.unwrap_err().to_string();
    assert_eq!(refused, "another user listens there");
    assert_eq!(received.await.unwrap(), b"");
    // Without a check, no listener is trusted.
    let aws = IdentityCenter::new(&HttpOptions::default(), WallClock::default().into()).unwrap();
    let listener = TcpListener::bind(server).await.unwrap();
    let refused = aws.register_client(&session, SignInFlow::Browser).await.unwrap_err().to_string();
    assert_eq!(refused, format!("no listener is trusted at {server}"));
    drop(listener);
}
