//! What a request's path names. The path is parsed only here.

use percent_encoding::percent_decode_str;
use ssod_model::ProfileName;

use crate::audit::Protocol;
use crate::tokens::TokenOwner;

/// What a path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RequestTarget<'a> {
    /// `/credentials` or `/credentials/PROFILE`.
    Credentials(TokenOwner),
    /// `/credentials/NAME` with a name that no profile can have, shortened for the refusal.
    InvalidProfile(String),
    /// Below `/latest/`, without leading slashes.
    Imds(&'a str),
    /// Anything else, with the protocol that the audit log shows: the one that the path resembles.
    Unknown(Protocol),
}

impl<'a> RequestTarget<'a> {
    /// Parses a path. If the configured endpoint ends with a slash, old SDKs send two slashes at the start.
    pub(crate) fn parse(path: &'a str) -> Self {
        let path = path.trim_start_matches('/');
        match path.split_once('/').map_or((path, None), |(first, rest)| (first, Some(rest))) {
            ("credentials", None | Some("")) => Self::Credentials(TokenOwner::Active),
            ("credentials", Some(name)) => Self::profile(name),
            ("latest", Some(rest)) => Self::Imds(rest.trim_start_matches('/')),
            (first, _) if first.starts_with("latest") => Self::Unknown(Protocol::Imds),
            _ => Self::Unknown(Protocol::Container),
        }
    }

    fn profile(encoded: &str) -> Self {
        let name = percent_decode_str(encoded).decode_utf8_lossy();
        match ProfileName::parse(&name) {
            Ok(name) => Self::Credentials(TokenOwner::Profile(name)),
            Err(_) => Self::InvalidProfile(
                name.chars().filter(|character| !character.is_control()).take(64).collect(),
            ),
        }
    }

    /// Returns the protocol that the path belongs to.
    pub(crate) fn protocol(&self) -> Protocol {
        match self {
            Self::Credentials(_) | Self::InvalidProfile(_) => Protocol::Container,
            Self::Imds(_) => Protocol::Imds,
            Self::Unknown(protocol) => *protocol,
        }
    }

    /// Returns the profile that the path names, whether or not the caller may get its credentials.
    pub(crate) fn named_profile(&self) -> Option<&ProfileName> {
        match self {
            Self::Credentials(owner) => owner.profile(),
            Self::InvalidProfile(_) | Self::Imds(_) | Self::Unknown(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_the_paths_that_sdks_write() {
        let credentials =
            |name: &str| RequestTarget::Credentials(TokenOwner::Profile(ProfileName::parse(name).unwrap()));
        for (path, target) in [
            ("/credentials", RequestTarget::Credentials(TokenOwner::Active)),
            ("/credentials/", RequestTarget::Credentials(TokenOwner::Active)),
            ("/credentials/a%20b", credentials("a b")),
            ("/credentials/%0a", RequestTarget::InvalidProfile(String::new())),
            ("//latest/api/token", RequestTarget::Imds("api/token")),
            ("/latest//meta-data/", RequestTarget::Imds("meta-data/")),
            ("/latest", RequestTarget::Unknown(Protocol::Imds)),
            ("/", RequestTarget::Unknown(Protocol::Container)),
            ("/credentialsx", RequestTarget::Unknown(Protocol::Container)),
            ("/2021-07-15/meta-data", RequestTarget::Unknown(Protocol::Container)),
        ] {
            assert_eq!(RequestTarget::parse(path), target, "{path}");
        }
    }
}
