//! The users of the fake as which the tests sign in.

/// The id of the account at the fake and at moto.
pub const ACCOUNT: &str = "123456789012";

/// A user of the fake, with a session and a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestUser {
    /// The sign-in name.
    pub name: &'static str,
    /// The profile.
    pub profile: &'static str,
    /// The session.
    pub session: &'static str,
    /// The role.
    pub role: &'static str,
}

impl TestUser {
    /// alice, who administers the account.
    pub const ADMIN: Self =
        Self { name: "alice", profile: "adminUser", session: "sso-session-adminUser", role: "AdminRole" };
    /// bob, who has only read access.
    pub const READ_ONLY: Self = Self {
        name: "bob",
        profile: "readOnlyUser",
        session: "sso-session-readOnlyUser",
        role: "ReadOnlyRole",
    };
}
