//! A browser's and an SDK's requests, as plainly as they can be made.

use std::time::Duration;

use serde_json::Value;
use url::Url;

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: String,
    /// The headers, names in small letters.
    pub headers: Vec<(String, String)>,
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    /// The value of that header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// GET.
pub fn get(url: &str) -> Reply {
    get_with(url, &[])
}

/// GET with headers.
pub fn get_with(url: &str, headers: &[(&str, &str)]) -> Reply {
    let request =
        headers.iter().fold(agent().get(url), |request, (name, value)| request.header(*name, *value));
    reply(request.call())
}

/// PUT without a body, with headers.
pub fn put_with(url: &str, headers: &[(&str, &str)]) -> Reply {
    let request =
        headers.iter().fold(agent().put(url), |request, (name, value)| request.header(*name, *value));
    reply(request.send_empty())
}

/// DELETE.
pub fn delete(url: &str) -> Reply {
    reply(agent().delete(url).call())
}

/// POST of JSON.
pub fn post_json(url: &str, body: &Value) -> Reply {
    reply(agent().post(url).send_json(body))
}

/// POST of a form, following redirects as a browser does.
pub fn post_form(url: &str, fields: &[(&str, &str)]) -> Reply {
    reply(agent().post(url).send_form(fields.iter().copied()))
}

/// Plays the person before the authorize page; gives the page that the browser ends on.
pub fn approve_browser(authorize_url: &str, user: &str, approve: bool) -> Reply {
    assert_eq!(get(authorize_url).status, 200, "the authorize page opens");
    let url = Url::parse(authorize_url).unwrap();
    let query: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let mut fields: Vec<(&str, &str)> =
        query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    fields.extend([("user", user), ("action", if approve { "approve" } else { "deny" })]);
    let page = url.join("/authorize").unwrap();
    post_form(page.as_str(), &fields)
}

/// Plays the person before the device page.
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
    let mut response = response.unwrap_or_else(|error| panic!("the request failed: {error}"));
    let headers = response.headers().iter();
    let headers =
        headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()));
    let headers = headers.collect();
    Reply { status: response.status().as_u16(), headers, body: response.body_mut().read_to_string().unwrap() }
}
