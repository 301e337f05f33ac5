//! The operations of the portal.

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::server::Server;
use crate::ApiError;

/// The largest page, which is also the default.
const MAX_PAGE: usize = 100;

#[derive(Deserialize)]
pub(super) struct ListQuery {
    account_id: Option<String>,
    next_token: Option<String>,
    max_result: Option<usize>,
}

#[derive(Deserialize)]
pub(super) struct CredentialsQuery {
    role_name: Option<String>,
    account_id: Option<String>,
}

pub(super) async fn list_accounts(
    State(server): State<Server>,
    Query(query): Query<ListQuery>,
    headers: HeaderMap,
) -> Response {
    server
        .operation("ListAccounts", async |server| {
            let (now, center) = (server.now(), server.center());
            let token = bearer(&headers);
            let outcome = center.list_accounts(now, token).map(|accounts| {
                // AWS sends null for what it does not have.
                let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
                let entry = |account: &&crate::AwsAccount| {
                    let (name, email) = (text(&account.name), text(&account.email));
                    json!({ "accountId": account.id, "accountName": name, "emailAddress": email })
                };
                page("accountList", &accounts.iter().map(entry).collect::<Vec<_>>(), &query)
            });
            (outcome, center.user_of(now, token).unwrap_or_default().to_owned())
        })
        .await
}

pub(super) async fn list_account_roles(
    State(server): State<Server>,
    Query(query): Query<ListQuery>,
    headers: HeaderMap,
) -> Response {
    let account = query.account_id.as_deref().unwrap_or_default();
    server
        .operation_on("ListAccountRoles", Some(account), async |server| {
            let (now, center) = (server.now(), server.center());
            let token = bearer(&headers);
            let outcome = center.list_account_roles(now, token, account).map(|roles| {
                let entry = |role: &&str| json!({ "roleName": role, "accountId": account });
                page("roleList", &roles.iter().map(entry).collect::<Vec<_>>(), &query)
            });
            (outcome, center.user_of(now, token).unwrap_or_default().to_owned())
        })
        .await
}

pub(super) async fn role_credentials(
    State(server): State<Server>,
    Query(query): Query<CredentialsQuery>,
    headers: HeaderMap,
) -> Response {
    let (account, role) = (query.account_id.unwrap_or_default(), query.role_name.unwrap_or_default());
    server
        .operation_on("GetRoleCredentials", Some(&account), async |server| {
            let now = server.now();
            let granted = server.center().role_credentials(now, bearer(&headers), &account, &role);
            let grant = match granted {
                Ok(grant) => grant,
                Err(error) => return (Err(error), format!("{account}/{role}")),
            };
            let detail = format!("{} {account}/{role}", grant.user);
            let minted = server.minter().mint(&grant, now).await;
            let outcome =
                minted.map_err(|error| ApiError::portal(500, "InternalServerException", &error.to_string()));
            let answer = outcome.map(|minted| {
                json!({ "roleCredentials": {
                    "accessKeyId": minted.access_key_id,
                    "secretAccessKey": minted.secret_access_key,
                    "sessionToken": minted.session_token,
                    "expiration": grant.expiration.as_millisecond(),
                } })
            });
            (answer, detail)
        })
        .await
}

pub(super) async fn logout(State(server): State<Server>, headers: HeaderMap) -> Response {
    server
        .operation("Logout", async |server| {
            let (now, mut center) = (server.now(), server.center());
            let token = bearer(&headers);
            let user = center.user_of(now, token).unwrap_or_default().to_owned();
            (center.logout(now, token).map(|()| Value::Null), user)
        })
        .await
}

fn bearer(headers: &HeaderMap) -> &str {
    headers.get("x-amz-sso_bearer_token").and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Returns one page of a list. The token for the next page is the index of its first entry.
fn page(list: &str, entries: &[Value], query: &ListQuery) -> Value {
    let start: usize = query.next_token.as_deref().and_then(|token| token.parse().ok()).unwrap_or(0);
    let size = query.max_result.unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
    let end = start.saturating_add(size).min(entries.len());
    let next = (end < entries.len()).then(|| end.to_string());
    json!({ list: entries.get(start..end).unwrap_or_default(), "nextToken": next })
}
