//! `POST /v1/list`: the accounts and roles that each session's person may use.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use futures_util::{StreamExt, TryStreamExt, stream};
use ssod_broker::decide::{backoff, seed};
use ssod_clock::Clock;
use ssod_control::{Account, ErrorBody, ListRequest, ListedSession};
use ssod_model::{IdentityError, IdentityProvider, SessionName};

use super::{Answer, Failure, find, must_be_open};
use crate::app::{LiveBroker, Shared};

/// Calls at one time; practitioners see 429s from about twenty a second.
const CALLS: usize = 4;
/// Tries of one call that AWS throttles.
const TRIES: u32 = 6;

pub(super) async fn answer(
    State(shared): State<Arc<Shared>>,
    Json(request): Json<ListRequest>,
) -> Answer<Vec<ListedSession>> {
    must_be_open(&shared)?;
    let sessions = match &request.name {
        Some(name) => vec![find(&shared.broker, name)?.0],
        None => shared.broker.session_names(),
    };
    let mut listed = Vec::new();
    for session in sessions {
        let (accounts, error) = match accounts(&shared.broker, &shared.clock, &session).await {
            Ok(accounts) => (accounts, None),
            Err(IdentityError::Unauthorized) => (Vec::new(), Some(signed_out(&session))),
            Err(error) => (Vec::new(), Some(Failure::from(error).body)),
        };
        listed.push(ListedSession { session: session.to_string(), accounts, error });
    }
    Ok(Json(listed))
}

async fn accounts(
    broker: &LiveBroker,
    clock: &Clock,
    name: &SessionName,
) -> Result<Vec<Account>, IdentityError> {
    let session = broker.session(name).ok_or(IdentityError::Unauthorized)?;
    let (session, provider) = (session.as_ref(), broker.provider());
    let listing =
        || broker.portal(name, |token| async move { provider.list_accounts(session, &token).await });
    let accounts = patiently(clock, listing).await?;
    let with_roles = stream::iter(accounts).map(|account| async move {
        let id = &account.id;
        let listing = || {
            broker.portal(name, |token| async move { provider.list_account_roles(session, &token, id).await })
        };
        let roles = patiently(clock, listing).await?;
        let roles = roles.iter().map(ToString::to_string).collect();
        Ok::<_, IdentityError>(Account {
            id: account.id.to_string(),
            name: account.name,
            email: account.email,
            roles,
        })
    });
    let mut accounts: Vec<Account> = with_roles.buffer_unordered(CALLS).try_collect().await?;
    accounts.sort_by(|one, other| one.name.cmp(&other.name).then_with(|| one.id.cmp(&other.id)));
    Ok(accounts)
}

/// Calls again, later each time, while AWS asks to slow down.
async fn patiently<T, F>(clock: &Clock, call: impl Fn() -> F) -> Result<T, IdentityError>
where
    F: Future<Output = Result<T, IdentityError>>,
{
    for attempt in 1..TRIES {
        match call().await {
            Err(IdentityError::Throttled { retry_after }) => {
                let wait = backoff(
                    attempt,
                    retry_after,
                    Some(Duration::from_secs(20)),
                    seed((attempt, clock.now())),
                );
                tokio::time::sleep(wait).await;
            }
            outcome => return outcome,
        }
    }
    call().await
}

fn signed_out(session: &SessionName) -> ErrorBody {
    ErrorBody {
        code: "LoginRequired".to_owned(),
        message: format!("Session \"{session}\" is signed out."),
        hint: Some(format!("Run: ssod login {session}")),
    }
}
