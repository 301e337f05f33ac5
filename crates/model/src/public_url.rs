//! The part of a URL that may be shown. Endpoint and proxy URLs can contain a password.

/// Shown instead of a text that is no URL, because nothing tells which part of it is a password.
const NO_URL: &str = "(not a URL)";

/// Returns a URL without user, password, query and fragment, for output, logs and errors, and without `/` at its end. A
/// text that is not a URL is not returned, unless it is a plain `HOST:PORT`.
pub fn public_url(text: &str) -> String {
    without_secrets(text).unwrap_or_else(|| NO_URL.to_owned())
}

/// Does the same, but returns `None` for a text that is not a URL.
pub(crate) fn without_secrets(text: &str) -> Option<String> {
    let text = text.trim();
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) if is_scheme(scheme) => (format!("{}://", scheme.to_ascii_lowercase()), rest),
        _ => (String::new(), text),
    };
    let authority_end = rest.find(['/', '\\', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_end);
    let host = authority.rsplit('@').next().unwrap_or_default();
    let path = path.split(['?', '#']).next().unwrap_or_default();
    // An @ behind the host is a sign of a password that was not encoded.
    let is_url = is_host(host) && !path.contains(['@', '\\']) && is_printable(path);
    is_url.then(|| format!("{scheme}{host}{path}").trim_end_matches('/').to_owned())
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Returns whether the text is a host, with a port or without. A host that is not ASCII could look like another one.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some(address_and_port) => address_and_port,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let is_host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    let is_number = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_number);
    !host.is_empty() && host.bytes().all(is_host_byte) && is_port
}

fn is_printable(path: &str) -> bool {
    path.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_passwords_and_queries_are_never_shown() {
        for (text, shown) in [
            ("https://host.example", "https://host.example"),
            ("HTTPS://host.example/", "https://host.example"),
            ("https://user:secret@host.example:8443/path/", "https://host.example:8443/path"),
            ("https://secret@host.example", "https://host.example"),
            ("https://a@b:secret@host.example", "https://host.example"),
            ("https://host.example/path?token=secret#secret", "https://host.example/path"),
            ("https://host.example?secret", "https://host.example"),
            ("http://[::1]:80/x", "http://[::1]:80/x"),
            ("http://u:secret@[::1]", "http://[::1]"),
            ("me:secret@proxy:8080", "proxy:8080"),
            ("proxy:8080", "proxy:8080"),
            // The password has characters that a URL must encode.
            ("http://user:sec/ret@host", NO_URL),
            ("http://user:sec\\ret@host", NO_URL),
            ("http:\\\\user:secret@host", NO_URL),
            ("user:secret", NO_URL),
            ("http://host/secret@path", NO_URL),
            ("http://host\u{202e}moc.example", NO_URL),
            ("http://host/\u{1b}[31m", NO_URL),
            ("http://[::1", NO_URL),
            ("https:/host.example", NO_URL),
            ("http://host:", NO_URL),
            ("http://[::1]secret", NO_URL),
            ("", NO_URL),
        ] {
            assert_eq!(public_url(text), shown, "{text}");
        }
    }
}
