//! Opens the browser, only when the user has run a command that signs in. The address is passed as one argument,
//! without a shell, so that no character in it is interpreted.

use std::fmt;
use std::process::{Command, Stdio};

/// Returns whether the user can see a browser on this machine. Over SSH the user cannot: the user's browser runs on the
/// other machine and cannot reach the sign-in's callback on this one.
pub(crate) fn is_available() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if set("SSH_CONNECTION") || set("SSH_TTY") {
        return false;
    }
    cfg!(target_os = "macos")
        || ["BROWSER", "DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"].into_iter().any(set)
}

/// Why the browser did not start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum BrowserError {
    /// The address is not one of a page that a sign-in shows.
    NotAPage,
    /// The setting cannot be split into words. The daemon checks that, too, but it may have another version.
    InvalidSetting,
    /// The program cannot be started.
    CannotStart {
        /// The program; `None` for the system's browser.
        program: Option<String>,
    },
}

impl fmt::Display for BrowserError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAPage => formatter.write_str(
                "the browser is not started, because the address of the sign-in page is neither https nor on this machine",
            ),
            Self::InvalidSetting => formatter.write_str(
                "cannot start a browser: browser under [login] in config.toml has a quote that is not closed",
            ),
            Self::CannotStart { program: None } => formatter.write_str("cannot start a browser"),
            Self::CannotStart { program: Some(program) } => {
                write!(formatter, "cannot start {program}, which browser under [login] in config.toml names")
            }
        }
    }
}

/// Opens the address with the command, or with the system's browser if there is none.
pub(crate) fn open(url: &str, command: &str) -> Result<(), BrowserError> {
    if !is_page(url) {
        return Err(BrowserError::NotAPage);
    }
    let words = words(command, url).ok_or(BrowserError::InvalidSetting)?;
    let Some((program, arguments)) = words.split_first() else {
        return webbrowser::open(url).map_err(|_| BrowserError::CannotStart { program: None });
    };
    let spawned = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    spawned.map(drop).map_err(|_| BrowserError::CannotStart { program: Some(program.clone()) })
}

/// Returns whether the address is https, or http on this machine as with a fake Identity Center. The daemon has checked
/// its host; this check does not depend on it, because other addresses can make a browser read files or run programs.
fn is_page(url: &str) -> bool {
    let (host, is_encrypted) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (authority(rest), true),
        (None, Some(rest)) => (authority(rest), false),
        (None, None) => return false,
    };
    let name = host.rsplit_once(':').map_or(host, |(name, _port)| name);
    let is_local = || matches!(name, "127.0.0.1" | "localhost" | "[::1]") || host == "[::1]";
    // A user name before the host makes another host look like this one.
    url.chars().all(|character| character.is_ascii_graphic())
        && !host.is_empty()
        && !host.contains(['@', '\\'])
        && (is_encrypted || is_local())
}

/// Returns the part of the address before the path: the host, with the port.
fn authority(rest: &str) -> &str {
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// Splits the command as a shell does, so that a quoted path may have spaces, and inserts the address into the words.
/// So nothing in the address can become a word of its own. Returns `None` if a quote is not closed.
fn words(command: &str, url: &str) -> Option<Vec<String>> {
    let mut words = shlex::split(command)?;
    if !words.is_empty() && !words.iter().any(|word| word.contains("{url}")) {
        words.push("{url}".to_owned());
    }
    Some(words.into_iter().map(|word| word.replace("{url}", url)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_pages_are_opened() {
        for page in [
            "https://x.awsapps.com/start",
            "http://127.0.0.1:8400/device?code=A",
            "http://[::1]:1/",
            "http://[::1]/",
            "http://localhost",
        ] {
            assert!(is_page(page), "{page}");
        }
        for other in [
            "file:///etc/passwd",
            "javascript:alert(1)",
            "--help",
            "",
            "http://evil.test/",
            "http://127.0.0.1:1@evil.test/",
            "http://127.0.0.1.evil.test/",
            "https://d-1234567890.awsapps.com@evil.test/",
            "http://127.0.0.1\\@evil.test/",
            "https://",
            "https://x.awsapps.com/a b",
            "https://x.awsapps.com/\u{202e}",
            "https://x.awsapps.com/\n",
        ] {
            assert_eq!(open(other, "/nonexistent/browser"), Err(BrowserError::NotAPage), "{other:?}");
        }
    }

    #[test]
    fn the_command_is_split_as_a_shell_does() {
        let url = "https://x.awsapps.com/start?a=1&b='2'3";
        for (command, expected) in [
            ("", &[][..]),
            ("firefox", &["firefox", url]),
            ("firefox -P work {url}", &["firefox", "-P", "work", url]),
            ("'/opt/my browser/chrome' --incognito {url}", &["/opt/my browser/chrome", "--incognito", url]),
            ("\"/opt/my browser/chrome\"", &["/opt/my browser/chrome", url]),
            ("/opt/my\\ browser/chrome '{url}'", &["/opt/my browser/chrome", url]),
        ] {
            assert_eq!(words(command, url).unwrap(), expected, "{command}");
        }
        assert_eq!(words("b --url={url}#x", "u v").unwrap(), ["b", "--url=u v#x"]);
        for command in ["'/opt/my browser/chrome {url}", "chrome \"", "chrome \\"] {
            assert_eq!(open(url, command), Err(BrowserError::InvalidSetting), "{command}");
        }
        let absent = Err(BrowserError::CannotStart { program: Some("/nonexistent/a b".to_owned()) });
        assert_eq!(open(url, "'/nonexistent/a b'"), absent);
    }
}
