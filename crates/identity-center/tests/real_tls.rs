//! Calls over TLS, as to AWS, to hostile servers. `real_http` has the calls to endpoints on loopback.
//!
//! `certificates` has a test authority, whose key was deleted, and the certificate and key of a server at 127.0.0.1.
#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use ssod_clock::WallClock;
use ssod_identity_center::{HttpOptions, IdentityCenter, ProxyOptions};
use ssod_model::{
    ClientRegistration, Endpoints, Grant, IdentityError, IdentityProvider, Region, Secret, SessionName,
    SessionTokens, SsoSession, StartUrl, TimestampExt, system_time,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const AUTHORITY: &[u8] = include_bytes!("certificates/authority.pem");
const CERTIFICATE: &[u8] = include_bytes!("certificates/server.pem");
const KEY: &[u8] = include_bytes!("certificates/server.key");

/// A server that answers each request with the same bytes, and records the requests.
struct Server {
    url: String,
    received: Arc<Mutex<Vec<u8>>>,
}

impl Server {
    /// Starts a server that sends `answer`, and then repeats `endless` forever, with a pause before each.
    async fn start(answer: Vec<u8>, endless: Option<(Vec<u8>, Duration)>) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let certificate = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
        let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
        let config = rustls::ServerConfig::builder().with_no_client_auth();
        let acceptor = TlsAcceptor::from(Arc::new(config.with_single_cert(vec![certificate], key).unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let received = Arc::<Mutex<Vec<u8>>>::default();
        let record = received.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let Ok(mut connection) = acceptor.accept(connection).await else { continue };
                let mut request = vec![0; 4_096];
                let length = connection.read(&mut request).await.unwrap_or_default();
                record.lock().unwrap().extend_from_slice(&request[..length]);
                let _ = connection.write_all(&answer).await;
                while let Some((more, pause)) = &endless {
                    tokio::time::sleep(*pause).await;
                    if connection.write_all(more).await.is_err() || connection.flush().await.is_err() {
                        break;
                    }
                }
            }
        });
        Self { url, received }
    }

    fn received(&self) -> String {
        String::from_utf8_lossy(&self.received.lock().unwrap()).into_owned()
    }
}

fn options() -> HttpOptions {
    HttpOptions { ca_bundle: Some(AUTHORITY.to_vec()), ..HttpOptions::default() }
}

/// Sends a refresh token and the client's secret to the URL.
async fn refresh(options: &HttpOptions, url: &str) -> Result<SessionTokens, IdentityError> {
    let aws = IdentityCenter::new(options, WallClock::default().into()).unwrap();
    let session = SsoSession {
        name: SessionName::parse("s").unwrap(),
        start_url: StartUrl::parse("https://x.awsapps.com/start").unwrap(),
        region: Region::parse("us-east-1").unwrap(),
        scopes: vec![],
        endpoints: Endpoints { oidc: Some(url.to_owned()), ..Endpoints::default() },
    };
    let expires_at = system_time().plus(Duration::from_hours(1));
    let client = ClientRegistration {
        client_id: "id".into(),
        client_secret: Secret::new("client-secret".into()),
        expires_at,
    };
    aws.create_token(&session, &client, Grant::RefreshToken(Secret::new("refresh-token".into()))).await
}

#[track_caller]
fn assert_failed(outcome: Result<SessionTokens, IdentityError>, expected: &str) {
    let error = outcome.unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

const TOKENS: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 36\r\n\r\n{\"accessToken\":\"a\",\"expiresIn\": 60 }";

#[tokio::test]
async fn only_a_server_with_a_trusted_certificate_gets_a_secret() {
    let server = Server::start(TOKENS.to_vec(), None).await;
    assert_failed(refresh(&HttpOptions::default(), &server.url).await, "cannot reach 127.0.0.1");
    assert_failed(
        refresh(&options(), &server.url.replace("127.0.0.1", "localhost")).await,
        "cannot reach localhost",
    );
    assert_eq!(server.received(), "");
    assert!(refresh(&options(), &server.url).await.is_ok());
    let received = server.received();
    assert!(received.contains("refresh-token") && received.contains("client-secret"), "{received}");
}

#[tokio::test]
async fn neither_a_redirect_nor_a_compressed_answer_is_followed() {
    let other = Server::start(TOKENS.to_vec(), None).await;
    let redirect = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: {}/token\r\nContent-Length: 0\r\n\r\n",
        other.url
    );
    let server = Server::start(redirect.into_bytes(), None).await;
    assert_failed(refresh(&options(), &server.url).await, "307, a redirect to 127.0.0.1");
    assert_eq!(other.received(), "");
    let compressed = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\0";
    let server = Server::start(compressed.to_vec(), None).await;
    assert_failed(refresh(&options(), &server.url).await, "something that is not JSON");
}

#[tokio::test]
async fn endless_and_oversized_answers_are_refused() {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let chunk = [b"10000\r\n".to_vec(), vec![b' '; 0x10000], b"\r\n".to_vec()].concat();
    let endless = Server::start(head, Some((chunk, Duration::ZERO))).await;
    assert_failed(refresh(&options(), &endless.url).await, "larger than");
    let huge = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n".to_vec();
    assert_failed(refresh(&options(), &Server::start(huge, None).await.url).await, "larger than");
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_one_byte_per_second_exceeds_the_time_limit() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".to_vec();
    let slow = Server::start(head, Some((b" ".to_vec(), Duration::from_secs(1)))).await;
    let start = tokio::time::Instant::now();
    assert_failed(refresh(&options(), &slow.url).await, "did not answer in time");
    assert!(start.elapsed() < Duration::from_secs(20));
}

/// Records what a proxy receives, and refuses it.
async fn proxy() -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let request = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut received = vec![0; 4_096];
        let length = connection.read(&mut received).await.unwrap();
        let _ = connection.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await;
        String::from_utf8_lossy(&received[..length]).into_owned()
    });
    (address, request)
}

#[tokio::test]
async fn a_proxy_sees_no_secret_and_its_password_is_in_no_error() {
    let (address, request) = proxy().await;
    let through = |except: &str| {
        let url = format!("http://me:MARKER-password@{address}");
        HttpOptions { proxy: Some(ProxyOptions { url, except: except.to_owned() }), ..options() }
    };
    let server = Server::start(TOKENS.to_vec(), None).await;
    assert!(
        refresh(&through("127.0.0.1"), &server.url).await.is_ok(),
        "this host is called without the proxy"
    );
    let error = refresh(&through(""), "https://oidc.us-east-1.amazonaws.com").await.unwrap_err().to_string();
    assert!(error.contains("cannot reach oidc.us-east-1.amazonaws.com"), "{error}");
    assert!(!error.contains("MARKER"), "{error}");
    let request = request.await.unwrap();
    assert!(request.starts_with("CONNECT oidc.us-east-1.amazonaws.com:443 HTTP/1.1\r\n"), "{request}");
    assert!(!request.contains("refresh-token") && !request.contains("client-secret"), "{request}");
    let url = "http://me:MARKER-password@[".to_owned();
    let unusable = HttpOptions { proxy: Some(ProxyOptions { url, except: String::new() }), ..options() };
    let error = IdentityCenter::new(&unusable, WallClock::default().into()).unwrap_err().to_string();
    assert!(error.contains("is not a URL") && !error.contains("MARKER"), "{error}");
}
