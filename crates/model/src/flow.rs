//! The ways to sign in.

use std::fmt;

/// The two ways to sign in. Each has a registration of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SignInFlow {
    /// Authorization code with PKCE (RFC 7636) and a loopback callback.
    Browser,
    /// Device authorization (RFC 8628).
    DeviceCode,
}

impl SignInFlow {
    /// Both flows.
    pub const ALL: [Self; 2] = [Self::Browser, Self::DeviceCode];

    /// Returns its name in files and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Browser => "pkce",
            Self::DeviceCode => "device-code",
        }
    }
}

impl fmt::Display for SignInFlow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
