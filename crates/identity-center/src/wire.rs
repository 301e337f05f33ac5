//! The JSON of requests and answers, with the names of AWS's service models. There, every member of an answer is
//! optional, so AWS may leave it out or send null. Unknown members are ignored.

use serde::{Deserialize, Serialize};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RegisterClientRequest<'a> {
    pub(crate) client_name: &'a str,
    pub(crate) client_type: &'static str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) scopes: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) grant_types: &'static [&'static str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(crate) redirect_uris: &'static [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) issuer_url: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the names of AWS's service model")]
pub(crate) struct RegisterClientResponse {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    /// Epoch seconds.
    pub(crate) client_secret_expires_at: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StartDeviceAuthorizationRequest<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) client_secret: &'a str,
    pub(crate) start_url: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StartDeviceAuthorizationResponse {
    pub(crate) device_code: String,
    pub(crate) user_code: String,
    pub(crate) verification_uri: Option<String>,
    pub(crate) verification_uri_complete: Option<String>,
    /// Seconds.
    pub(crate) expires_in: Option<i64>,
    /// Seconds; 5 if it is absent (RFC 8628, section 3.2).
    pub(crate) interval: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateTokenRequest<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) client_secret: &'a str,
    pub(crate) grant_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) device_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) redirect_uri: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code_verifier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_token: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateTokenResponse {
    pub(crate) access_token: String,
    /// Seconds.
    pub(crate) expires_in: Option<i64>,
    pub(crate) refresh_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListAccountsResponse {
    pub(crate) account_list: Option<Vec<Option<AccountInfo>>>,
    pub(crate) next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountInfo {
    pub(crate) account_id: Option<String>,
    pub(crate) account_name: Option<String>,
    pub(crate) email_address: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListAccountRolesResponse {
    pub(crate) role_list: Option<Vec<Option<RoleInfo>>>,
    pub(crate) next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoleInfo {
    pub(crate) role_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GetRoleCredentialsResponse {
    pub(crate) role_credentials: RoleCredentialsInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoleCredentialsInfo {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) session_token: String,
    /// Epoch milliseconds, unlike the other times.
    pub(crate) expiration: i64,
}
