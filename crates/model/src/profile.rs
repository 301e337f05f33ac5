//! A profile: a role in an account, and the session to get its credentials through.

use crate::{AccountId, ProfileName, Region, RoleName, SessionName};

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
}
