//! The ways by which a client gets ssod's credentials.

use ssod_testkit::Sandbox;

/// Changes of environment variables; `None` unsets a variable.
pub(super) type EnvChanges = Vec<(String, Option<String>)>;

/// A way to get credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Container credentials with `AWS_CONTAINER_AUTHORIZATION_TOKEN`.
    Token,
    /// Container credentials with `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`.
    TokenFile,
    /// Container credentials with both variables, as `ssod env` sets them.
    Both,
    /// IMDSv2 at the endpoint's own port, which serves the active profile.
    ImdsActive,
    /// IMDSv2 at a port of the profile.
    ImdsPort,
    /// The profile's `credential_process`.
    CredentialProcess,
}

impl Way {
    /// All ways, in the order of the table's columns.
    pub(super) const ALL: [Self; 6] =
        [Self::Token, Self::TokenFile, Self::Both, Self::ImdsActive, Self::ImdsPort, Self::CredentialProcess];

    /// Returns the title of its column.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Token => "TOKEN",
            Self::TokenFile => "TOKEN_FILE",
            Self::Both => "both",
            Self::ImdsActive => "IMDS, active profile",
            Self::ImdsPort => "IMDS, profile's port",
            Self::CredentialProcess => "`credential_process`",
        }
    }

    /// Returns the variables of a shell that uses this way.
    pub(super) fn environment(self, sandbox: &Sandbox, profile: &str) -> EnvChanges {
        let unset = |name: &str| (name.to_owned(), None);
        let set = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
        let mut changes = match self {
            Self::Token | Self::TokenFile | Self::Both => sandbox.daemon().env(&[profile]),
            Self::ImdsActive => sandbox.daemon().env(&["--imds"]),
            Self::ImdsPort => sandbox.daemon().env(&[profile, "--imds"]),
            // The first SDK for Go reads the config file only with the second variable.
            Self::CredentialProcess => vec![set("AWS_PROFILE", profile), set("AWS_SDK_LOAD_CONFIG", "1")],
        };
        match self {
            Self::Token => changes.push(unset("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")),
            Self::TokenFile => changes.push(unset("AWS_CONTAINER_AUTHORIZATION_TOKEN")),
            _ => {}
        }
        if self != Self::CredentialProcess {
            // The profile's credential_process would come before the endpoint.
            changes.push(unset("AWS_PROFILE"));
        }
        changes
    }
}
