//! The page that the browser ends on. No script, nothing loaded, nothing that a server said: it works anywhere
//! and cannot be made to say something else.

use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// What happened, for the user at the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    SignedIn,
    Denied,
    Failed,
    /// Not the answer that is waited for.
    NotOurs,
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let (status, mark, colour, title, text) = match self {
            Self::SignedIn => (
                StatusCode::OK,
                "✓",
                "#1a7f37",
                "You are signed in",
                "ssod keeps this sign-in fresh from now on. You can close this window and go back to your terminal.",
            ),
            Self::Denied => (
                StatusCode::OK,
                "–",
                "#9a6700",
                "You denied the sign-in",
                "Nothing has changed. You can close this window; to try again, run ssod login in your terminal.",
            ),
            Self::Failed => (
                StatusCode::OK,
                "×",
                "#cf222e",
                "The sign-in did not work",
                "Your terminal says why. You can close this window.",
            ),
            Self::NotOurs => (
                StatusCode::BAD_REQUEST,
                "×",
                "#cf222e",
                "This is not an answer that ssod waits for",
                "It may belong to an older sign-in. Run ssod login in your terminal and use the new page.",
            ),
        };
        let html = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>{title} · ssod</title><style>\
             :root{{color-scheme:light dark}}\
             body{{font:17px/1.6 system-ui,sans-serif;display:grid;place-content:center;min-height:90vh;margin:0 1.5rem;text-align:center}}\
             .mark{{width:4.5rem;height:4.5rem;margin:0 auto;border-radius:50%;background:{colour};color:#fff;font-size:2.6rem;line-height:4.5rem}}\
             h1{{font-size:1.6rem;margin:1.2rem 0 .3rem}}p{{max-width:26rem;margin:0 auto;opacity:.8}}\
             </style></head><body><main><div class=\"mark\" aria-hidden=\"true\">{mark}</div>\
             <h1>{title}</h1><p>{text}</p></main></body></html>\n"
        );
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
            (
                HeaderName::from_static("content-security-policy"),
                "default-src 'none'; style-src 'unsafe-inline'",
            ),
            (HeaderName::from_static("referrer-policy"), "no-referrer"),
            (HeaderName::from_static("x-content-type-options"), "nosniff"),
        ];
        (status, headers, html).into_response()
    }
}
