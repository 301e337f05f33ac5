//! The HTTP interface of the fake: AWS's operations, the pages, and the routes for tests.

mod control;
mod oidc;
mod pages;
mod portal;
mod server;

use std::future::Future;

use axum::Router;
use axum::routing::{get, post};
use tokio::net::TcpListener;

pub use server::Server;

impl Server {
    /// Serves requests until the future `stop` ends.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        axum::serve(listener, router(self)).with_graceful_shutdown(stop).await
    }
}

fn router(server: Server) -> Router {
    Router::new()
        .route("/client/register", post(oidc::register_client))
        .route("/device_authorization", post(oidc::start_device_authorization))
        .route("/token", post(oidc::create_token))
        .route("/assignment/accounts", get(portal::list_accounts))
        .route("/assignment/roles", get(portal::list_account_roles))
        .route("/federation/credentials", get(portal::role_credentials))
        .route("/logout", post(portal::logout))
        .route("/", get(pages::start))
        .route("/start", get(pages::start))
        .route("/device", get(pages::device).post(pages::answer_device))
        .route("/authorize", get(pages::authorize).post(pages::answer_authorization))
        .nest("/fake", control::routes())
        .with_state(server)
}
