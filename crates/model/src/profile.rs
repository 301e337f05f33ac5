//! A profile: whose role, through which session.

use crate::{AccountId, ProfileName, Region, RoleName, SessionName};

/// A `[profile NAME]` block that names an account and a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name.
    pub name: ProfileName,
    /// The session that it signs in through.
    pub session: SessionName,
    /// The account of the role.
    pub account_id: AccountId,
    /// The permission set.
    pub role_name: RoleName,
    /// The region for the SDK's own calls; unrelated to the session's.
    pub region: Option<Region>,
    /// Whether it stands in AWS's own form (`sso_account_id`), so that `--profile` goes past ssod.
    pub aws_form: bool,
}
