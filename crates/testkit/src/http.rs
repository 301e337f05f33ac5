//! Sends requests as a browser or an SDK does.

use std::time::Duration;

use serde_json::Value;
use url::Url;

/// A response.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: String,
    /// The headers, with names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Reply {
    /// Returns the body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Sends a GET request.
pub fn get(url: &str) -> Reply {
    get_with(url, &[])
}

/// Sends a GET request with headers.
pub fn get_with(url: &str, headers: &[(&str, &str)]) -> Reply {
    try_get_with(url, headers).unwrap_or_else(|error| panic!("GET {url}: {error}"))
}

/// Sends a GET request with headers. Fails if the connection fails.
pub fn try_get_with(url: &str, headers: &[(&str, &str)]) -> Result<Reply, ureq::Error> {
    let request =
        headers.iter().fold(agent().get(url), |request, (name, value)| request.header(*name, *value));
    read(request.call())
}

/// Sends a PUT request with headers and without a body.
pub fn put_with(url: &str, headers: &[(&str, &str)]) -> Reply {
    let request =
        headers.iter().fold(agent().put(url), |request, (name, value)| request.header(*name, *value));
    reply(request.send_empty())
}

/// Sends a DELETE request.
pub fn delete(url: &str) -> Reply {
    reply(agent().delete(url).call())
}

/// Sends JSON in a POST request.
pub fn post_json(url: &str, body: &Value) -> Reply {
    reply(agent().post(url).send_json(body))
}

/// Sends a form in a POST request and follows redirects, as a browser does.
pub fn post_form(url: &str, fields: &[(&str, &str)]) -> Reply {
    reply(agent().post(url).send_form(fields.iter().copied()))
}

/// Answers the authorize page as the user would, and returns the page that the browser shows at the end.
pub fn approve_browser(authorize_url: &str, user: &str, approve: bool) -> Reply {
    assert_eq!(get(authorize_url).status, 200, "the authorize page does not open");
    let url = Url::parse(authorize_url).unwrap();
    let query: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let mut fields: Vec<(&str, &str)> =
        query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    fields.extend([("user", user), ("action", if approve { "approve" } else { "deny" })]);
    let page = url.join("/authorize").unwrap();
    post_form(page.as_str(), &fields)
}

/// Answers the device page as the user would, and returns the page that the browser shows at the end.
pub fn approve_device(fake: &str, code: &str, user: &str, approve: bool) -> Reply {
    let action = if approve { "approve" } else { "deny" };
    post_form(&format!("{fake}/device"), &[("user_code", code), ("user", user), ("action", action)])
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(20)))
        .proxy(None)
        .build()
        .into()
}

fn reply(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Reply {
    read(response).unwrap_or_else(|error| panic!("the request failed: {error}"))
}

fn read(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Result<Reply, ureq::Error> {
    let mut response = response?;
    let text = |value: &ureq::http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    Ok(Reply { status: response.status().as_u16(), headers, body: response.body_mut().read_to_string()? })
}
