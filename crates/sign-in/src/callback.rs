//! The listener for the browser's redirect at the end of a sign-in.
//!
//! It listens on a random port of 127.0.0.1 for one exact path, and accepts one response with the correct `state`. It
//! refuses every other request and continues to wait, so that another web page cannot end the sign-in. It answers only
//! this user's browsers: another user can see the `state` in the arguments of the browser's process, and could sign in
//! as someone else with it. Its connections have the same limits as those of every other listener.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use ssod_connections::{Admission, ConnectionRules, serve};
use ssod_model::Secret;
use subtle::ConstantTimeEq;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::page::ResultPage;

const CALLBACK_PATH: &str = "/oauth/callback";

/// Who may connect to the callback's listener, and how many connections there may be.
#[derive(Clone, Debug)]
pub struct CallbackRules {
    /// The limits of the connections.
    pub connections: ConnectionRules,
    /// Returns whether the caller at that address is one of this user's programs.
    pub is_own: fn(&TcpStream, &SocketAddr) -> bool,
}

/// Identity Center's response to the authorization request, from the parameters of the redirect (RFC 6749, section
/// 4.1.2).
pub(crate) struct AuthorizationResponse {
    /// The authorization code, or the error.
    pub(crate) result: Result<Secret, AuthorizationError>,
    /// Sends the page that the browser waits for.
    pub(crate) reply: oneshot::Sender<ResultPage>,
}

/// An error response, with Identity Center's own texts.
pub(crate) struct AuthorizationError {
    pub(crate) code: String,
    pub(crate) description: Option<String>,
}

/// A running listener. It stops when this is dropped.
pub(crate) struct CallbackListener {
    pub(crate) redirect_uri: String,
    pub(crate) response: oneshot::Receiver<AuthorizationResponse>,
    server: tokio::task::JoinHandle<()>,
    stop: Option<oneshot::Sender<()>>,
}

/// The query parameters of the redirect.
#[derive(Deserialize)]
struct CallbackParameters {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// What a request must have to be accepted, and where the response goes.
#[derive(Clone)]
struct ExpectedResponse {
    state: Secret,
    host: Arc<str>,
    /// `None` after the first accepted response.
    sender: Arc<Mutex<Option<oneshot::Sender<AuthorizationResponse>>>>,
}

impl CallbackListener {
    /// Starts to listen for a response with this `state`.
    pub(crate) async fn start(state: Secret, rules: CallbackRules) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let host = listener.local_addr()?.to_string();
        let redirect_uri = format!("http://{host}{CALLBACK_PATH}");
        let (sender, response) = oneshot::channel();
        let expected =
            ExpectedResponse { state, host: host.into(), sender: Arc::new(Mutex::new(Some(sender))) };
        let router = Router::new()
            .route(CALLBACK_PATH, get(receive))
            .fallback(async || ResultPage::Unexpected)
            .with_state(expected);
        let refused = Router::new().fallback(async || ResultPage::OtherUser);
        let CallbackRules { connections, is_own } = rules;
        let admit = move |connection: &TcpStream, caller: &SocketAddr| {
            if is_own(connection, caller) {
                Admission::Own(router.clone())
            } else {
                Admission::OtherUser(refused.clone())
            }
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(async move {
            let shutdown = async {
                // An error means that the sender was dropped, which also stops the listener.
                let _ = stopped.await;
            };
            serve(listener, connections, admit, shutdown).await;
        });
        Ok(Self { redirect_uri, response, server, stop: Some(stop) })
    }

    /// Stops the listener after the page has been sent.
    pub(crate) async fn close(mut self) {
        drop(self.stop.take());
        // A browser that keeps its connection open must not delay the sign-in.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(2), &mut self.server).await;
    }
}

impl Drop for CallbackListener {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Accepts the response if it is the expected one, and answers with the page.
async fn receive(
    State(expected): State<ExpectedResponse>,
    headers: HeaderMap,
    Query(parameters): Query<CallbackParameters>,
) -> Response {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let state = parameters.state.as_deref().unwrap_or_default();
    let same_state: bool = state.as_bytes().ct_eq(expected.state.expose().as_bytes()).into();
    if host != Some(&expected.host) || !same_state {
        return ResultPage::Unexpected.into_response();
    }
    let result = match (parameters.code, parameters.error) {
        (Some(code), None) if !code.is_empty() => Ok(Secret::new(code)),
        (_, Some(error)) => {
            Err(AuthorizationError { code: error, description: parameters.error_description })
        }
        _ => return ResultPage::Unexpected.into_response(),
    };
    let Some(sender) = expected.sender.lock().unwrap_or_else(PoisonError::into_inner).take() else {
        return ResultPage::Unexpected.into_response();
    };
    let (reply, page) = oneshot::channel();
    if sender.send(AuthorizationResponse { result, reply }).is_err() {
        return ResultPage::Unexpected.into_response();
    }
    page.await.unwrap_or(ResultPage::Failed).into_response()
}
