//! The portal: accounts, roles, role credentials, sign-out.

use ssod_model::{Timestamp, TimestampExt};

use crate::{ApiError, AwsAccount, Center};

/// The permission to get credentials of a role. The caller creates the credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleGrant {
    /// The user.
    pub user: String,
    /// The account.
    pub account: String,
    /// The role.
    pub role: String,
    /// When the credentials expire.
    pub expiration: Timestamp,
    /// A unique number.
    pub serial: String,
}

impl Center {
    /// Returns the user of an access token, if it is valid.
    pub fn user_of(&self, now: Timestamp, access_token: &str) -> Option<&str> {
        let token = self.access_tokens.get(access_token).filter(|token| now < token.expires_at)?;
        self.portal_session(now, token.portal_session).map(|session| session.user.as_str())
    }

    /// Returns the number of the sign-in to which an access token belongs. Renewals do not change it.
    pub fn sign_in_of(&self, access_token: &str) -> Option<u64> {
        self.access_tokens.get(access_token).map(|token| token.portal_session)
    }

    /// Returns whether the user has a portal session.
    pub fn is_signed_in(&self, now: Timestamp, user: &str) -> bool {
        self.portal_sessions.values().any(|session| session.user == user && now < session.ends_at)
    }

    /// Executes ListAccounts, without paging.
    pub fn list_accounts(&self, now: Timestamp, access_token: &str) -> Result<Vec<&AwsAccount>, ApiError> {
        let user = self.user_of(now, access_token).ok_or_else(ApiError::unauthorized)?;
        let mine = |account: &&AwsAccount| {
            self.world.assignments.iter().any(|one| one.user == user && one.account == account.id)
        };
        Ok(self.world.accounts.iter().filter(mine).collect())
    }

    /// Executes ListAccountRoles, without paging.
    pub fn list_account_roles(
        &self,
        now: Timestamp,
        access_token: &str,
        account: &str,
    ) -> Result<Vec<&str>, ApiError> {
        let user = self.user_of(now, access_token).ok_or_else(ApiError::unauthorized)?;
        let mine = self.world.assignments.iter().filter(|one| one.user == user && one.account == account);
        Ok(mine.map(|one| one.role.as_str()).collect())
    }

    /// Executes GetRoleCredentials. Every call gets new credentials.
    pub fn role_credentials(
        &mut self,
        now: Timestamp,
        access_token: &str,
        account: &str,
        role: &str,
    ) -> Result<RoleGrant, ApiError> {
        let user = self.user_of(now, access_token).ok_or_else(ApiError::unauthorized)?.to_owned();
        if account.is_empty() || role.is_empty() {
            return Err(ApiError::portal(
                400,
                "InvalidRequestException",
                "account_id or role_name is missing",
            ));
        }
        if !self.world.is_assigned(&user, account, role) {
            return Err(ApiError::portal(403, "ForbiddenException", "No access"));
        }
        let set = self.world.permission_sets.iter().find(|set| set.name == role);
        let lifetime = set.and_then(|set| set.session_seconds).map(std::time::Duration::from_secs);
        let expiration = now.plus(lifetime.unwrap_or(self.lifetimes.role));
        let serial = self.new_secret("");
        Ok(RoleGrant { user, account: account.to_owned(), role: role.to_owned(), expiration, serial })
    }

    /// Executes Logout, which ends the portal session. Role credentials that were issued stay valid.
    pub fn logout(&mut self, now: Timestamp, access_token: &str) -> Result<(), ApiError> {
        self.user_of(now, access_token).ok_or_else(ApiError::unauthorized)?;
        if let Some(token) = self.access_tokens.remove(access_token) {
            self.portal_sessions.remove(&token.portal_session);
        }
        Ok(())
    }
}
