//! What answers the requests of one connection.

use std::error::Error;
use std::future::Future;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, Response};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use crate::proof::CallerProof;

/// Answers the requests of one connection. A listener with routes has a [`Router`]; the endpoint, whose requests must be
/// as cheap as possible, has a type of its own, so that no request clones a router or allocates a body.
pub trait Handler: Send + Sync + 'static {
    /// The body of an answer.
    type Body: hyper::body::Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static;

    /// Returns a body for an answer that has none.
    fn empty_body() -> Self::Body;

    /// Answers a request whose body has arrived. `proof` records what the caller has shown on this connection.
    fn answer(
        &self,
        request: Request<Bytes>,
        proof: &CallerProof,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// The routes get the [`CallerProof`] as an extension.
impl Handler for Router {
    type Body = Body;

    fn empty_body() -> Body {
        Body::empty()
    }

    async fn answer(&self, request: Request<Bytes>, proof: &CallerProof) -> Response<Body> {
        let mut request = request.map(Body::from);
        request.extensions_mut().insert(proof.clone());
        let Ok(response) = TowerToHyperService::new(self.clone()).call(request).await;
        response
    }
}
