//! The pages that the user sees in the browser. There are no passwords: the user selects a name and approves or denies.

use std::fmt::Write as _;

use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::server::Server;
use crate::AuthorizationRequest;

#[derive(Deserialize)]
pub(super) struct DeviceQuery {
    #[serde(default)]
    user_code: String,
}

#[derive(Deserialize)]
pub(super) struct DeviceAnswer {
    user_code: String,
    user: String,
    action: String,
}

#[derive(Deserialize)]
pub(super) struct AuthorizationAnswer {
    #[serde(flatten)]
    request: AuthorizationRequest,
    user: String,
    action: String,
}

pub(super) async fn start(State(server): State<Server>) -> Html<String> {
    let world = server.center().world().clone();
    let mut list = String::new();
    for assignment in &world.assignments {
        // Writing to a String cannot fail.
        let _ = write!(
            list,
            "<li>{} may use <b>{}</b> in {}</li>",
            escape(&assignment.user),
            escape(&assignment.role),
            escape(&assignment.account)
        );
    }
    page("Access portal", &format!("<p>A fake IAM Identity Center, for tests.</p><ul>{list}</ul>"))
}

pub(super) async fn device(State(server): State<Server>, Query(query): Query<DeviceQuery>) -> Html<String> {
    let code = escape(&query.user_code);
    let input = format!(
        "<label>Code <input name=user_code value=\"{code}\" required autocomplete=off></label>\
         <p>Confirm the code only if your own terminal shows it.</p>"
    );
    form(&server, "Authorize a device", "/device", &input)
}

pub(super) async fn answer_device(
    State(server): State<Server>,
    Form(answer): Form<DeviceAnswer>,
) -> Response {
    let now = server.now();
    let approve = answer.action == "approve";
    let outcome = server.center().answer_device(now, answer.user_code.trim(), &answer.user, approve);
    match outcome {
        Ok(()) if approve => page("Request approved", "<p>You can close this window.</p>").into_response(),
        Ok(()) => page("Request denied", "<p>You can close this window.</p>").into_response(),
        Err(reason) => {
            (StatusCode::BAD_REQUEST, page("The request failed", &format!("<p>{reason}</p>"))).into_response()
        }
    }
}

pub(super) async fn authorize(
    State(server): State<Server>,
    Query(request): Query<AuthorizationRequest>,
) -> Response {
    let now = server.now();
    let checked = server.center().check_authorization(now, &request);
    if let Err(reason) = checked {
        return (StatusCode::BAD_REQUEST, page("The request failed", &format!("<p>{reason}</p>")))
            .into_response();
    }
    let hidden: String = [
        ("response_type", &request.response_type),
        ("client_id", &request.client_id),
        ("redirect_uri", &request.redirect_uri),
        ("state", &request.state),
        ("code_challenge_method", &request.code_challenge_method),
        ("code_challenge", &request.code_challenge),
        ("scopes", &request.scopes),
    ]
    .iter()
    .map(|(name, value)| format!("<input type=hidden name={name} value=\"{}\">", escape(value)))
    .collect();
    form(&server, "Allow access to your data?", "/authorize", &hidden).into_response()
}

pub(super) async fn answer_authorization(
    State(server): State<Server>,
    Form(answer): Form<AuthorizationAnswer>,
) -> Response {
    let now = server.now();
    let approve = answer.action == "approve";
    let outcome = server.center().answer_authorization(now, &answer.request, &answer.user, approve);
    match outcome {
        Ok(target) => Redirect::to(target.as_str()).into_response(),
        Err(reason) => {
            (StatusCode::BAD_REQUEST, page("The request failed", &format!("<p>{reason}</p>"))).into_response()
        }
    }
}

fn form(server: &Server, title: &str, action: &str, fields: &str) -> Html<String> {
    let users = server.center().world().users.clone();
    let options: String =
        users.iter().map(|user| format!("<option>{}</option>", escape(&user.name))).collect();
    page(
        title,
        &format!(
            "<form method=post action=\"{action}\">{fields}\
             <label>I am <select name=user>{options}</select></label>\
             <p><button name=action value=approve>Approve</button> \
             <button name=action value=deny>Deny</button></p></form>"
        ),
    )
}

fn page(title: &str, body: &str) -> Html<String> {
    Html(format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>{title} · fake Identity Center</title>\
         <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem;\
         color-scheme:light dark}}label{{display:block;margin:.5rem 0}}button,input,select{{font:inherit;\
         padding:.3rem .8rem}}</style><h1>{title}</h1>{body}</html>"
    ))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
