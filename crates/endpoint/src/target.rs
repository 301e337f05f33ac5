//! What a request's path asks for. The path is parsed here, once.

use percent_encoding::percent_decode_str;
use ssod_model::ProfileName;

use crate::audit::Protocol;
use crate::tokens::TokenOwner;

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target<'a> {
    /// `/credentials` or `/credentials/PROFILE`.
    Credentials(TokenOwner),
    /// `/credentials/NAME` with a name that no profile can have, shortened for the refusal.
    InvalidProfile(String),
    /// Below `/latest/`, without leading slashes.
    Imds(&'a str),
    /// Anything else; the protocol is a guess for the audit log.
    Unknown(Protocol),
}

impl<'a> Target<'a> {
    /// Parses a path. Old SDKs double the first slash, depending on how the endpoint was written.
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

    /// Returns the profile that the path names, whether the caller may have its credentials or not.
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
            |name: &str| Target::Credentials(TokenOwner::Profile(ProfileName::parse(name).unwrap()));
        for (path, target) in [
            ("/credentials", Target::Credentials(TokenOwner::Active)),
            ("/credentials/", Target::Credentials(TokenOwner::Active)),
            ("/credentials/a%20b", credentials("a b")),
            ("/credentials/%0a", Target::InvalidProfile(String::new())),
            ("//latest/api/token", Target::Imds("api/token")),
            ("/latest//meta-data/", Target::Imds("meta-data/")),
            ("/latest", Target::Unknown(Protocol::Imds)),
            ("/", Target::Unknown(Protocol::Container)),
            ("/credentialsx", Target::Unknown(Protocol::Container)),
            ("/2021-07-15/meta-data", Target::Unknown(Protocol::Container)),
        ] {
            assert_eq!(Target::parse(path), target, "{path}");
        }
    }
}
