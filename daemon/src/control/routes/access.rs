//! `POST /v1/access`: which roles are assigned to the user who is signed in to a session. It asks only for the accounts
//! that matter, because a large organisation has hundreds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use futures_util::{StreamExt, stream};
use ssod_broker::BoundToken;
use ssod_control::{Access, AccessRequest, AssignedRole, CheckedRole, RoleAccess};
use ssod_model::{
    Account, AccountId, CredentialSource, IdentityError, IdentityProvider, Profile, SessionName,
};

use crate::control::failure::{Failure, RouteResult};
use crate::control::lookup::{find, require_open};
use crate::live_broker::LiveBroker;
use crate::vault::keeper::VaultKeeper;

/// How many assigned roles are returned as examples.
const EXAMPLES: usize = 5;
const CONCURRENT_CALLS: usize = 4;
/// How long a user waits for the whole answer. What is not known then is reported as unknown.
const PATIENCE: Duration = Duration::from_secs(15);

/// The roles of accounts that were asked for; an account whose roles are not known is missing.
type RolesByAccount = BTreeMap<String, Vec<String>>;

pub(in crate::control) async fn answer(
    State(keeper): State<VaultKeeper>,
    State(broker): State<LiveBroker>,
    Json(request): Json<AccessRequest>,
) -> RouteResult<Access> {
    require_open(&keeper)?;
    let (session, _) = find(&broker, &request.name)?;
    let wanted = wanted(&broker, &session, &request);
    let listing = tokio::time::timeout(PATIENCE, list_accounts(&broker, &session)).await;
    let accounts = listing
        .unwrap_or_else(|_| Err(IdentityError::Unavailable("AWS did not answer in time".to_owned())))
        .map_err(|error| failure(&session, error))?;
    let asked = accounts_to_ask(&accounts, &wanted);
    let roles = roles_of(&broker, &session, asked).await;
    Ok(Json(Access {
        session: session.to_string(),
        roles: wanted.into_iter().map(|role| check(role, &accounts, &roles)).collect(),
        account_count: accounts.len(),
        examples: examples(&accounts, &roles),
    }))
}

/// Returns the roles to check: the one that the client names, else those of the session's profiles.
fn wanted(broker: &LiveBroker, session: &SessionName, request: &AccessRequest) -> Vec<CheckedRole> {
    if let Some(role) = &request.role {
        return vec![role.clone()];
    }
    let profiles = broker.profile_names().into_iter().filter_map(|name| broker.profile(&name));
    profiles.filter(|profile| profile.session == *session).map(|profile| role_of(&profile)).collect()
}

fn role_of(profile: &Profile) -> CheckedRole {
    CheckedRole {
        profile: Some(profile.name.to_string()),
        account_id: profile.account_id.to_string(),
        role_name: profile.role_name.to_string(),
        access: RoleAccess::Unknown,
    }
}

/// Returns the accounts whose roles decide, and as many others as the examples need.
fn accounts_to_ask(accounts: &[Account], wanted: &[CheckedRole]) -> Vec<AccountId> {
    let needed: BTreeSet<&str> = wanted.iter().map(|role| role.account_id.as_str()).collect();
    let (needed, others): (Vec<_>, Vec<_>) =
        accounts.iter().map(|account| &account.id).partition(|id| needed.contains(id.as_str()));
    let more = EXAMPLES.saturating_sub(needed.len());
    needed.into_iter().chain(others.into_iter().take(more)).cloned().collect()
}

async fn list_accounts(broker: &LiveBroker, name: &SessionName) -> Result<Vec<Account>, IdentityError> {
    let provider = broker.provider();
    let listing =
        |token: BoundToken| async move { provider.list_accounts(&token.session, &token.secret).await };
    broker.portal(name, listing).await
}

async fn roles_of(broker: &LiveBroker, name: &SessionName, accounts: Vec<AccountId>) -> RolesByAccount {
    let mut found = RolesByAccount::new();
    let provider = broker.provider();
    let answers = stream::iter(accounts).map(|account| async move {
        let id = &account;
        let listing = |token: BoundToken| async move {
            provider.list_account_roles(&token.session, &token.secret, id).await
        };
        (account.to_string(), broker.portal(name, listing).await)
    });
    let mut answers = std::pin::pin!(answers.buffer_unordered(CONCURRENT_CALLS));
    let collecting = async {
        while let Some((account, roles)) = answers.next().await {
            match roles {
                Ok(roles) => {
                    found.insert(account, roles.iter().map(ToString::to_string).collect());
                }
                Err(IdentityError::NoAccess) => {
                    found.insert(account, Vec::new());
                }
                Err(error) => tracing::warn!(%account, %error, "the roles of an account cannot be listed"),
            }
        }
    };
    // After that time, the accounts without an answer are unknown.
    let _ = tokio::time::timeout(PATIENCE, collecting).await;
    found
}

fn check(role: CheckedRole, accounts: &[Account], roles: &RolesByAccount) -> CheckedRole {
    let has_account = accounts.iter().any(|account| account.id.as_str() == role.account_id);
    let access = match roles.get(&role.account_id) {
        Some(roles) if roles.contains(&role.role_name) => RoleAccess::Assigned,
        None if has_account => RoleAccess::Unknown,
        Some(_) | None => RoleAccess::NotAssigned,
    };
    CheckedRole { access, ..role }
}

fn examples(accounts: &[Account], roles: &RolesByAccount) -> Vec<AssignedRole> {
    let assigned = accounts.iter().flat_map(|account| {
        let roles = roles.get(account.id.as_str()).map(Vec::as_slice).unwrap_or_default();
        roles.iter().map(|role| AssignedRole {
            account_id: account.id.to_string(),
            account_name: account.name.clone(),
            role_name: role.clone(),
        })
    });
    assigned.take(EXAMPLES).collect()
}

fn failure(session: &SessionName, error: IdentityError) -> Failure {
    match error {
        IdentityError::Unauthorized => Failure::signed_out(session),
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(id: &str) -> Account {
        Account { id: AccountId::parse(id).unwrap(), name: format!("n{id}"), email: String::new() }
    }

    fn wanted(account_id: &str, role_name: &str) -> CheckedRole {
        let (account_id, role_name) = (account_id.to_owned(), role_name.to_owned());
        CheckedRole { profile: None, account_id, role_name, access: RoleAccess::Unknown }
    }

    #[test]
    fn a_role_is_assigned_only_if_its_account_has_it() {
        let accounts = [account("111111111111"), account("222222222222")];
        let roles = RolesByAccount::from([("111111111111".to_owned(), vec!["Admin".to_owned()])]);
        for (id, role, expected) in [
            ("111111111111", "Admin", RoleAccess::Assigned),
            ("111111111111", "admin", RoleAccess::NotAssigned),
            // Its roles could not be listed.
            ("222222222222", "Admin", RoleAccess::Unknown),
            // The account itself is not assigned.
            ("333333333333", "Admin", RoleAccess::NotAssigned),
        ] {
            assert_eq!(check(wanted(id, role), &accounts, &roles).access, expected, "{role} in {id}");
        }
        assert_eq!(examples(&accounts, &roles).len(), 1);
    }

    #[test]
    fn only_the_accounts_that_matter_are_asked() {
        let accounts: Vec<Account> = (0..300).map(|number| account(&format!("{number:012}"))).collect();
        let asked = accounts_to_ask(&accounts, &[wanted("000000000200", "R"), wanted("999999999999", "R")]);
        assert_eq!(asked.len(), EXAMPLES);
        assert_eq!(asked[0].as_str(), "000000000200");
        let many: Vec<_> = (0..40).map(|number| wanted(&format!("{number:012}"), "R")).collect();
        assert_eq!(accounts_to_ask(&accounts, &many).len(), 40);
    }
}
