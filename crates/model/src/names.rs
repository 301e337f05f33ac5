//! Names from files, servers and users. Each is checked once, when it is parsed.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// The longest accepted name; all limits of AWS are shorter.
const MAX_NAME: usize = 256;
/// The longest accepted start URL.
const MAX_URL: usize = 2_048;

/// A text that is not a valid name of its kind.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{value:?} is not {expected}")]
pub struct InvalidName {
    /// The text.
    pub value: String,
    /// What was expected, with its article: "an AWS region such as us-east-1".
    pub expected: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Parses the text.
            pub fn parse(text: &str) -> Result<Self, InvalidName> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.into()))
                } else {
                    let value = text.chars().take(MAX_NAME).collect();
                    Err(InvalidName { value, expected: $expected })
                }
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{:?}", &self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                Self::parse(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

name! {
    /// The name in `[sso-session NAME]`.
    SessionName, "a session name (1 to 256 characters, no control characters)", is_plain_name
}
name! {
    /// The name in `[profile NAME]`.
    ProfileName, "a profile name (1 to 256 characters, no control characters)", is_plain_name
}
name! {
    /// Twelve digits, as text because of leading zeros.
    AccountId, "a 12-digit AWS account id",
    |text| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}
name! {
    /// The argument of GetRoleCredentials: the name of the permission set, not of the IAM role.
    RoleName, "a role name (1 to 64 of A-Z a-z 0-9 + = , . @ _ -)",
    |text| (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte))
}
name! {
    /// An AWS region. Host names contain it, so its format is checked.
    Region, "an AWS region such as us-east-1",
    is_region
}
name! {
    /// The URL where users sign in: https, or http on the loopback interface for a fake. Whether loopback is acceptable
    /// for a session is decided where the endpoint overrides of the session are known.
    StartUrl, "a start URL such as https://d-1234567890.awsapps.com/start",
    |text| text.len() <= MAX_URL
        && text.chars().all(|character| character.is_ascii_graphic())
        && (host_after(text, "https://").is_some() || is_loopback_http(text))
}

impl StartUrl {
    /// Returns whether this is plain http on the loopback interface, which only a fake Identity Center uses.
    pub fn is_loopback_http(&self) -> bool {
        is_loopback_http(&self.0)
    }

    /// Returns the URL without the `/`, `/#` or `/#/` at its end: with and without them it is the same portal.
    pub fn portal(&self) -> &str {
        self.0.trim_end_matches(['/', '#'])
    }
}

fn is_plain_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len()) && text.trim() == text && !text.chars().any(char::is_control)
}

/// Returns whether the text is at least two words of lower-case letters and a number, as in the names of all regions.
fn is_region(text: &str) -> bool {
    let words: Vec<&str> = text.split('-').collect();
    let Some((number, names)) = words.split_last() else { return false };
    text.len() <= 32
        && names.len() >= 2
        && names.iter().all(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase()))
        && (1..=2).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_loopback_http(text: &str) -> bool {
    host_after(text, "http://").is_some_and(|host| {
        let name =
            if host.starts_with('[') { host.split_inclusive(']').next() } else { host.split(':').next() };
        matches!(name, Some("127.0.0.1" | "localhost" | "[::1]"))
    })
}

/// Returns the host (and port) of a URL with this scheme; `None` if there is none, or if there are credentials before
/// it.
fn host_after<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let host = text.strip_prefix(scheme)?.split(['/', '?', '#', '\\']).next()?;
    (!host.is_empty() && !host.contains('@')).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_cannot_contain_a_host() {
        for good in ["us-east-1", "us-gov-west-1", "eusc-de-east-1", "cn-north-1"] {
            assert!(Region::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "us",
            "evil.com/",
            "us-east-1.evil",
            "US-EAST-1",
            "us-east-1 # home",
            "-us",
            "us-",
            "mars-1",
            "us--1",
        ] {
            assert!(Region::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn start_urls_are_https_or_loopback() {
        for good in [
            "https://d-1234567890.awsapps.com/start",
            "https://alias.awsapps.com/start/#/",
            "http://127.0.0.1:8400/start",
            "http://localhost:1/start",
            "http://[::1]:1/start",
        ] {
            assert!(StartUrl::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "https://",
            "http://d-1.awsapps.com/start",
            "http://127.0.0.1.evil.test/",
            "http://127.0.0.1@evil.test/",
            "https://user@evil.test/",
            "https://a b/",
            "ftp://x/",
            "javascript:alert(1)",
        ] {
            assert!(StartUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_end_of_a_start_url_makes_no_other_portal() {
        for end in ["", "/", "/#", "/#/", "#"] {
            let url = StartUrl::parse(&format!("https://x.awsapps.com/start{end}")).unwrap();
            assert_eq!(url.portal(), "https://x.awsapps.com/start", "{end}");
        }
    }

    #[test]
    fn account_ids_keep_their_leading_zeros() {
        assert_eq!(AccountId::parse("000123456789").unwrap().as_str(), "000123456789");
        assert!(AccountId::parse("123").is_err());
    }

    #[test]
    fn names_refuse_control_characters() {
        assert!(ProfileName::parse("$(touch x) 'quoted'").is_ok());
        for bad in ["", " padded", "new\nline", "esc\u{1b}[31m"] {
            assert!(ProfileName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
