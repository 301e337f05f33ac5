//! The JSON of requests and answers, with the names of AWS's service models.

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
    pub(crate) client_secret_expires_at: i64,
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
    pub(crate) verification_uri: String,
    pub(crate) verification_uri_complete: Option<String>,
    /// Seconds.
    pub(crate) expires_in: i64,
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
    pub(crate) expires_in: i64,
    pub(crate) refresh_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListAccountsResponse {
    #[serde(default)]
    pub(crate) account_list: Vec<AccountInfo>,
    pub(crate) next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccountInfo {
    pub(crate) account_id: String,
    #[serde(default)]
    pub(crate) account_name: String,
    #[serde(default)]
    pub(crate) email_address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListAccountRolesResponse {
    #[serde(default)]
    pub(crate) role_list: Vec<RoleInfo>,
    pub(crate) next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoleInfo {
    pub(crate) role_name: String,
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

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct AwsErrorBody {
    pub(crate) error: Option<String>,
    pub(crate) error_description: Option<String>,
    pub(crate) reason: Option<String>,
    #[serde(alias = "Message")]
    pub(crate) message: Option<String>,
    #[serde(alias = "Code")]
    pub(crate) code: Option<String>,
    #[serde(rename = "__type")]
    pub(crate) kind: Option<String>,
}
