//! `POST /v1/draft-session`: a session that is used although the AWS config file does not have it yet, until the client
//! disconnects. So `ssod configure` can sign in before it writes the file.

use std::convert::Infallible;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use ssod_control::DraftSession;
use ssod_model::{Endpoints, InvalidName, Region, SessionName, SsoSession, StartUrl};

use crate::config::aws_config::LiveAwsConfig;
use crate::config::problem::{Problem, Problems};
use crate::control::failure::Failure;
use crate::live_broker::LiveBroker;

/// The first line tells the client that the session is known; the response then stays open until the client closes it.
const READY: &[u8] = b"{}\n";

pub(in crate::control) async fn answer(
    State(aws_config): State<LiveAwsConfig>,
    State(broker): State<LiveBroker>,
    State(problems): State<Problems>,
    Json(request): Json<DraftSession>,
) -> Result<Response, Failure> {
    let session = parse(&request).map_err(|error| invalid(format!("{error}.")))?;
    let name = session.name.clone();
    let draft = aws_config.use_draft(session).await;
    if broker.session(&name).is_none() {
        // For example a broken file, or a start URL that is not allowed.
        let reasons: Vec<String> = problems.all().iter().map(Problem::line).collect();
        return Err(invalid(format!("Session {name} cannot be used. {}", reasons.join(" "))));
    }
    let until_disconnected = async move {
        let _draft = draft;
        std::future::pending::<Result<Bytes, Infallible>>().await
    };
    let ready = stream::iter([Ok::<_, Infallible>(Bytes::from_static(READY))]);
    let lines = ready.chain(stream::once(until_disconnected));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

fn parse(request: &DraftSession) -> Result<SsoSession, InvalidName> {
    Ok(SsoSession {
        name: SessionName::parse(&request.name)?,
        start_url: StartUrl::parse(&request.start_url)?,
        region: Region::parse(&request.region)?,
        scopes: request.scopes.clone(),
        endpoints: Endpoints::default(),
    })
}

fn invalid(message: String) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, "InvalidSession", message, None)
}
