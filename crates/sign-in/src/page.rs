//! The page that the browser shows at the end. It has no script, loads nothing and contains no text from a server, so
//! nothing can change what it says.

use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// The result that the page shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResultPage {
    SignedIn,
    Denied,
    Failed,
    /// The request is not the response that ssod waits for.
    Unexpected,
    /// The browser runs as another user.
    OtherUser,
}

/// The varying parts of the page.
struct Content {
    mark: &'static str,
    colour: &'static str,
    title: &'static str,
    text: &'static str,
}

impl ResultPage {
    fn status(self) -> StatusCode {
        match self {
            Self::SignedIn | Self::Denied | Self::Failed => StatusCode::OK,
            Self::Unexpected => StatusCode::BAD_REQUEST,
            Self::OtherUser => StatusCode::FORBIDDEN,
        }
    }

    fn content(self) -> Content {
        match self {
            Self::SignedIn => Content {
                mark: "✓",
                colour: "#1a7f37",
                title: "You are signed in",
                text: "ssod keeps this sign-in fresh from now on. You can close this window and go back to your terminal.",
            },
            Self::Denied => Content {
                mark: "–",
                colour: "#9a6700",
                title: "You denied the sign-in",
                text: "Nothing has changed. You can close this window; to try again, run ssod login in your terminal.",
            },
            Self::Failed => Content {
                mark: "×",
                colour: "#cf222e",
                title: "The sign-in did not work",
                text: "Your terminal says why. You can close this window.",
            },
            Self::Unexpected => Content {
                mark: "×",
                colour: "#cf222e",
                title: "ssod does not expect this answer",
                text: "It may belong to an older sign-in. Run ssod login in your terminal and use the new page.",
            },
            Self::OtherUser => Content {
                mark: "×",
                colour: "#cf222e",
                title: "ssod does not answer this browser",
                text: "It runs as another user. Open the page in a browser of the user who runs ssod login.",
            },
        }
    }

    fn html(self) -> String {
        let Content { mark, colour, title, text } = self.content();
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>{title} · ssod</title><style>\
             :root{{color-scheme:light dark}}\
             body{{font:17px/1.6 system-ui,sans-serif;display:grid;place-content:center;min-height:90vh;margin:0 1.5rem;text-align:center}}\
             .mark{{width:4.5rem;height:4.5rem;margin:0 auto;border-radius:50%;background:{colour};color:#fff;font-size:2.6rem;line-height:4.5rem}}\
             h1{{font-size:1.6rem;margin:1.2rem 0 .3rem}}p{{max-width:26rem;margin:0 auto;opacity:.8}}\
             </style></head><body><main><div class=\"mark\" aria-hidden=\"true\">{mark}</div>\
             <h1>{title}</h1><p>{text}</p></main></body></html>\n"
        )
    }
}

impl IntoResponse for ResultPage {
    fn into_response(self) -> Response {
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
        (self.status(), headers, self.html()).into_response()
    }
}
