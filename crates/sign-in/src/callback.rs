//! The listener to which the browser returns after a sign-in.
//!
//! It listens on 127.0.0.1 only, on its own port, for one exact path. It accepts one answer with the right `state`. It rejects
//! every other request and keeps waiting, so that an unrelated page cannot end the sign-in.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use ssod_model::Secret;
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::page::Page;

const PATH: &str = "/oauth/callback";

/// What the browser sent.
pub(crate) struct Answer {
    pub(crate) outcome: Result<Secret, Rejection>,
    /// Sends the page for which the browser waits.
    pub(crate) reply: oneshot::Sender<Page>,
}

/// The error that Identity Center reported.
pub(crate) struct Rejection {
    pub(crate) error: String,
    pub(crate) description: Option<String>,
}

/// The listener. It ends on drop.
pub(crate) struct Callback {
    pub(crate) redirect_uri: String,
    pub(crate) answer: oneshot::Receiver<Answer>,
    server: tokio::task::JoinHandle<()>,
    stop: Option<oneshot::Sender<()>>,
}

#[derive(Deserialize)]
struct Parameters {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

#[derive(Clone)]
struct Waiting {
    state: Secret,
    host: Arc<str>,
    answer: Arc<Mutex<Option<oneshot::Sender<Answer>>>>,
}

impl Callback {
    pub(crate) async fn listen(state: Secret) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let host = listener.local_addr()?.to_string();
        let redirect_uri = format!("http://{host}{PATH}");
        let (send, answer) = oneshot::channel();
        let waiting = Waiting { state, host: host.into(), answer: Arc::new(Mutex::new(Some(send))) };
        let router = Router::new()
            .route(PATH, get(receive_answer))
            .fallback(async || Page::NotOurs)
            .with_state(waiting);
        let (stop, stopped) = oneshot::channel::<()>();
        let server = tokio::spawn(async move {
            let until = async {
                // The sender only drops its end, which also ends the wait.
                let _ = stopped.await;
            };
            if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(until).await {
                tracing::warn!(%error, "the sign-in's callback cannot be served");
            }
        });
        Ok(Self { redirect_uri, answer, server, stop: Some(stop) })
    }

    /// Ends the listener after the page has been sent.
    pub(crate) async fn close(mut self) {
        drop(self.stop.take());
        // The sign-in must not wait for a browser that keeps its connection open.
        let _ = tokio::time::timeout(std::time::Duration::from_secs(2), &mut self.server).await;
    }
}

impl Drop for Callback {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn receive_answer(
    State(waiting): State<Waiting>,
    headers: HeaderMap,
    Query(parameters): Query<Parameters>,
) -> Response {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let given = parameters.state.as_deref().unwrap_or_default();
    let same_state: bool = given.as_bytes().ct_eq(waiting.state.expose().as_bytes()).into();
    if host != Some(&waiting.host) || !same_state {
        return Page::NotOurs.into_response();
    }
    let outcome = match (parameters.code, parameters.error) {
        (Some(code), None) if !code.is_empty() => Ok(Secret::new(code)),
        (_, Some(error)) => Err(Rejection { error, description: parameters.error_description }),
        _ => return Page::NotOurs.into_response(),
    };
    let Some(send) = waiting.answer.lock().unwrap_or_else(PoisonError::into_inner).take() else {
        return Page::NotOurs.into_response();
    };
    let (reply, page) = oneshot::channel();
    if send.send(Answer { outcome, reply }).is_err() {
        return Page::NotOurs.into_response();
    }
    page.await.unwrap_or(Page::Failed).into_response()
}
