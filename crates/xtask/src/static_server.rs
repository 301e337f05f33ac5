//! `cargo xtask serve-static`: bare hyper with static answers, the baseline of the benchmark. It is a process of its
//! own, so that the CPU time of all its threads is its alone.

use std::convert::Infallible;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use clap::Args;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

/// As many as the daemon has on the machines on which the goals were set.
const WORKERS: usize = 2;

#[derive(Args)]
pub(crate) struct ServeStatic {
    /// A file with the answers, in JSON.
    answers: PathBuf,
    /// The milliseconds before each answer.
    delay: u64,
}

/// What the server answers to a request for a path.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StaticAnswer {
    pub(crate) path: String,
    /// Without the date and the length, which hyper adds.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// Serves until the process is ended, and prints the port as its first line.
pub(crate) fn run(arguments: &ServeStatic) -> Result<()> {
    let answers: Vec<StaticAnswer> = serde_json::from_reader(File::open(&arguments.answers)?)?;
    let answers = answers.iter().map(prepare).collect::<Result<Vec<_>>>()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    runtime.block_on(serve(Arc::new(answers), Duration::from_millis(arguments.delay)))
}

/// An answer whose parts only need to be cloned.
struct Prepared {
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

fn prepare(answer: &StaticAnswer) -> Result<Prepared> {
    let mut headers = HeaderMap::new();
    for (name, value) in &answer.headers {
        headers.append(name.parse::<HeaderName>()?, HeaderValue::from_str(value)?);
    }
    Ok(Prepared { path: answer.path.clone(), headers, body: Bytes::from(answer.body.clone()) })
}

async fn serve(answers: Arc<Vec<Prepared>>, delay: Duration) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen")?;
    println!("{}", listener.local_addr()?.port());
    loop {
        let (connection, _) = listener.accept().await?;
        connection.set_nodelay(true)?;
        let answers = answers.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let response = respond(&answers, request.uri().path());
                async move {
                    if !delay.is_zero() {
                        tokio::time::sleep(delay).await;
                    }
                    Ok::<_, Infallible>(response)
                }
            });
            // A client that ends its connection is no error.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(connection), service)
                .await;
        });
    }
}

fn respond(answers: &[Prepared], path: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    match answers.iter().find(|answer| answer.path == path) {
        Some(answer) => {
            *response.headers_mut() = answer.headers.clone();
            *response.body_mut() = Full::new(answer.body.clone());
        }
        None => *response.status_mut() = StatusCode::NOT_FOUND,
    }
    response
}
