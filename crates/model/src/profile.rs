//! A profile: a role in an account, and the session to get its credentials through.

use std::borrow::Cow;

use crate::{AccountId, Endpoints, ProfileName, Region, RoleName, SessionName, SsoSession};

/// A `[profile NAME]` block that names an account and a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: ProfileName,
    /// The session that issues its credentials.
    pub session: SessionName,
    /// The account of the role.
    pub account_id: AccountId,
    /// The name of the permission set.
    pub role_name: RoleName,
    /// The region for the calls of the SDK. It is independent of the session's region.
    pub region: Option<Region>,
    /// Whether it is in AWS's own format (`sso_account_id`), so `--profile` bypasses ssod.
    pub aws_form: bool,
    /// The hosts of its own portal calls; `None` if they are its session's.
    pub endpoints: Option<Endpoints>,
}

impl Profile {
    /// Returns the session as the profile's own calls use it, with the profile's endpoints.
    pub fn session_for_calls<'a>(&self, session: &'a SsoSession) -> Cow<'a, SsoSession> {
        match &self.endpoints {
            None => Cow::Borrowed(session),
            Some(endpoints) => Cow::Owned(SsoSession { endpoints: endpoints.clone(), ..session.clone() }),
        }
    }
}
