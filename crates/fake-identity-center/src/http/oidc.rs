//! The operations of the OIDC service.

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::server::Server;
use crate::{ApiError, Registration, TokenRequest};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeviceInput {
    client_id: String,
    client_secret: String,
    start_url: String,
}

pub(super) async fn register_client(State(server): State<Server>, body: Bytes) -> Response {
    server
        .operation("RegisterClient", async |server| {
            let outcome = parse::<Registration>(&body).and_then(|input| {
                let now = server.now();
                let (id, secret, expires_at) = server.center().register_client(now, input)?;
                Ok(json!({
                    "clientId": id,
                    "clientSecret": secret,
                    "clientIdIssuedAt": now.as_second(),
                    "clientSecretExpiresAt": expires_at.as_second(),
                    "authorizationEndpoint": null,
                    "tokenEndpoint": null,
                }))
            });
            (outcome, String::new())
        })
        .await
}

pub(super) async fn start_device_authorization(State(server): State<Server>, body: Bytes) -> Response {
    server
        .operation("StartDeviceAuthorization", async |server| {
            let outcome = parse::<DeviceInput>(&body).and_then(|input| {
                let now = server.now();
                let device = server.center().start_device_authorization(
                    now,
                    &input.client_id,
                    &input.client_secret,
                    &input.start_url,
                )?;
                let page = format!("{}/device", server.base_url());
                Ok(json!({
                    "deviceCode": device.device_code,
                    "userCode": device.user_code,
                    "verificationUri": page,
                    "verificationUriComplete": format!("{page}?user_code={}", device.user_code),
                    "expiresIn": device.expires_in,
                    "interval": device.interval,
                }))
            });
            (outcome, String::new())
        })
        .await
}

pub(super) async fn create_token(State(server): State<Server>, body: Bytes) -> Response {
    server
        .operation("CreateToken", async |server| {
            let mut detail = String::new();
            let outcome = parse::<TokenRequest>(&body).and_then(|request| {
                detail = request.grant_type.clone().unwrap_or_default();
                let now = server.now();
                let token = server.center().create_token(now, &request)?;
                // AWS sends null for what it does not have.
                Ok(json!({
                    "accessToken": token.access_token,
                    "tokenType": "Bearer",
                    "expiresIn": token.expires_in,
                    "refreshToken": token.refresh_token,
                    "idToken": null,
                }))
            });
            (outcome, detail)
        })
        .await
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::invalid_request(&error.to_string()))
}
