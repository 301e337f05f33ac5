//! The operations of the two services, and the errors that AWS gives for each.

use std::fmt;

use ssod_model::IdentityError;

/// An operation that ssod calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Registers a client.
    RegisterClient,
    /// Starts a sign-in with a device code.
    StartDeviceAuthorization,
    /// Exchanges a code or a refresh token for tokens.
    CreateToken,
    /// Lists accounts.
    ListAccounts,
    /// Lists the roles in an account.
    ListAccountRoles,
    /// Issues role credentials.
    GetRoleCredentials,
    /// Ends the session.
    Logout,
}

/// The service of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// Sign-in and renewal.
    Oidc,
    /// Accounts and role credentials.
    Portal,
}

impl fmt::Display for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Oidc => "Identity Center's sign-in service",
            Self::Portal => "the SSO portal",
        })
    }
}

/// What an error means for one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The caller reacts to exactly this.
    Is(IdentityError),
    /// The user denied the sign-in; with a reason, a key of AWS denied it instead.
    Denied,
    /// Too many calls.
    Throttled,
    /// AWS itself failed.
    Failed,
    /// The request was refused for another reason.
    Refused,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::RegisterClient,
        Self::StartDeviceAuthorization,
        Self::CreateToken,
        Self::ListAccounts,
        Self::ListAccountRoles,
        Self::GetRoleCredentials,
        Self::Logout,
    ];

    /// Returns the service that has the operation.
    pub(crate) fn service(self) -> Service {
        match self {
            Self::RegisterClient | Self::StartDeviceAuthorization | Self::CreateToken => Service::Oidc,
            Self::ListAccounts | Self::ListAccountRoles | Self::GetRoleCredentials | Self::Logout => {
                Service::Portal
            }
        }
    }

    /// Returns what the error of that name means; `None` if AWS does not give it for this operation. The lists are
    /// those of AWS's service models, and in addition `ForbiddenException`, which the portal gives for a role that is
    /// not assigned, and `InternalServerException`, which every service gives.
    pub(crate) fn meaning(self, error: &str) -> Option<Meaning> {
        use IdentityError as E;
        if error == "InternalServerException" {
            return Some(Meaning::Failed);
        }
        let meaning = match (self, error) {
            (Self::CreateToken, "AuthorizationPendingException") => Meaning::Is(E::Pending),
            (Self::CreateToken, "SlowDownException") => Meaning::Is(E::SlowDown),
            (Self::CreateToken, "ExpiredTokenException") => Meaning::Is(E::CodeExpired),
            (Self::CreateToken, "InvalidGrantException") => Meaning::Is(E::GrantRejected),
            (Self::CreateToken, "AccessDeniedException") => Meaning::Denied,
            (Self::CreateToken | Self::StartDeviceAuthorization, "InvalidClientException") => {
                Meaning::Is(E::RegistrationRejected)
            }
            (Self::RegisterClient | Self::StartDeviceAuthorization, "SlowDownException") => {
                Meaning::Throttled
            }
            _ if self.refuses(error) => Meaning::Refused,
            _ if self.service() == Service::Oidc => return None,
            (_, "UnauthorizedException") => Meaning::Is(E::Unauthorized),
            (_, "TooManyRequestsException") => Meaning::Throttled,
            (
                Self::GetRoleCredentials | Self::ListAccountRoles,
                "ForbiddenException" | "ResourceNotFoundException",
            ) => Meaning::Is(E::NoAccess),
            (Self::ListAccounts, "ResourceNotFoundException") => Meaning::Refused,
            _ => return None,
        };
        Some(meaning)
    }

    /// Whether the error says that the request is wrong.
    fn refuses(self, error: &str) -> bool {
        match error {
            "InvalidRequestException" => true,
            "UnauthorizedClientException" => {
                matches!(self, Self::CreateToken | Self::StartDeviceAuthorization)
            }
            "UnsupportedGrantTypeException" | "InvalidScopeException" => {
                matches!(self, Self::CreateToken | Self::RegisterClient)
            }
            "InvalidClientMetadataException" | "InvalidRedirectUriException" => self == Self::RegisterClient,
            _ => false,
        }
    }
}

/// Returns the exception of RFC 6749's error code, which the sign-in service sends in the body.
pub(crate) fn exception_of(code: &str) -> Option<&'static str> {
    Some(match code {
        "authorization_pending" => "AuthorizationPendingException",
        "slow_down" => "SlowDownException",
        "expired_token" => "ExpiredTokenException",
        "access_denied" => "AccessDeniedException",
        "invalid_client" => "InvalidClientException",
        "invalid_client_metadata" => "InvalidClientMetadataException",
        "invalid_grant" => "InvalidGrantException",
        "invalid_redirect_uri" => "InvalidRedirectUriException",
        "invalid_request" => "InvalidRequestException",
        "invalid_scope" => "InvalidScopeException",
        "unauthorized_client" => "UnauthorizedClientException",
        "unsupported_grant_type" => "UnsupportedGrantTypeException",
        "server_error" => "InternalServerException",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The errors of each operation in AWS's service models of 2019-06-10.
    const MODELS: [(Operation, &[&str]); 7] = [
        (
            Operation::RegisterClient,
            &[
                "InvalidRequestException",
                "InvalidScopeException",
                "InvalidClientMetadataException",
                "InternalServerException",
                "InvalidRedirectUriException",
                "UnsupportedGrantTypeException",
                "SlowDownException",
            ],
        ),
        (
            Operation::StartDeviceAuthorization,
            &[
                "InvalidRequestException",
                "InvalidClientException",
                "UnauthorizedClientException",
                "SlowDownException",
                "InternalServerException",
            ],
        ),
        (
            Operation::CreateToken,
            &[
                "InvalidRequestException",
                "InvalidClientException",
                "InvalidGrantException",
                "UnauthorizedClientException",
                "UnsupportedGrantTypeException",
                "InvalidScopeException",
                "AuthorizationPendingException",
                "SlowDownException",
                "AccessDeniedException",
                "ExpiredTokenException",
                "InternalServerException",
            ],
        ),
        (Operation::ListAccounts, PORTAL),
        (Operation::ListAccountRoles, PORTAL_ROLE),
        (Operation::GetRoleCredentials, PORTAL_ROLE),
        (
            Operation::Logout,
            &[
                "InvalidRequestException",
                "UnauthorizedException",
                "TooManyRequestsException",
                "InternalServerException",
            ],
        ),
    ];
    const PORTAL: &[&str] = &[
        "InvalidRequestException",
        "UnauthorizedException",
        "TooManyRequestsException",
        "ResourceNotFoundException",
        "InternalServerException",
    ];
    const PORTAL_ROLE: &[&str] = &[
        "InvalidRequestException",
        "UnauthorizedException",
        "TooManyRequestsException",
        "ResourceNotFoundException",
        "InternalServerException",
        "ForbiddenException",
    ];

    #[test]
    fn an_operation_knows_its_own_errors_and_no_other() {
        assert_eq!(MODELS.map(|(operation, _)| operation), Operation::ALL);
        let mut all: Vec<&str> = MODELS.iter().flat_map(|(_, errors)| errors.iter().copied()).collect();
        all.extend(["ThrottlingException", "AccessDenied", "UnrecognizedClientException", "Forbidden", ""]);
        for (operation, own) in MODELS {
            for error in &all {
                let is_known = operation.meaning(error).is_some();
                assert_eq!(is_known, own.contains(error), "{operation:?}: {error}");
            }
        }
    }
}
