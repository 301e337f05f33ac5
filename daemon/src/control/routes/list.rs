//! `POST /v1/list`: the accounts and roles that each session's user may use.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use futures_util::{StreamExt, TryStreamExt, stream};
use ssod_broker::decide::{backoff, seed};
use ssod_clock::Clock;
use ssod_control::{Account, ErrorBody, ListRequest, ListedSession};
use ssod_model::{IdentityError, IdentityProvider, SessionName};

use crate::control::failure::{Failure, RouteResult};
use crate::control::lookup::{find, require_open};
use crate::live_broker::LiveBroker;
use crate::vault::keeper::VaultKeeper;

/// The maximum number of concurrent calls. Users report 429s from about twenty calls a second.
const CONCURRENT_CALLS: usize = 4;
/// The maximum number of attempts of a call that AWS throttles.
const ATTEMPTS: u32 = 6;

pub(in crate::control) async fn answer(
    State(keeper): State<VaultKeeper>,
    State(broker): State<LiveBroker>,
    State(clock): State<Clock>,
    Json(request): Json<ListRequest>,
) -> RouteResult<Vec<ListedSession>> {
    require_open(&keeper)?;
    let sessions = match &request.name {
        Some(name) => vec![find(&broker, name)?.0],
        None => broker.session_names(),
    };
    let mut listed = Vec::new();
    for session in sessions {
        let (accounts, error) = match accounts(&broker, &clock, &session).await {
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
    let accounts = with_backoff(clock, listing).await?;
    let with_roles = stream::iter(accounts).map(|account| async move {
        let id = &account.id;
        let listing = || {
            broker.portal(name, |token| async move { provider.list_account_roles(session, &token, id).await })
        };
        let roles = with_backoff(clock, listing).await?;
        let roles = roles.iter().map(ToString::to_string).collect();
        Ok::<_, IdentityError>(Account {
            id: account.id.to_string(),
            name: account.name,
            email: account.email,
            roles,
        })
    });
    let mut accounts: Vec<Account> = with_roles.buffer_unordered(CONCURRENT_CALLS).try_collect().await?;
    accounts.sort_by(|one, other| one.name.cmp(&other.name).then_with(|| one.id.cmp(&other.id)));
    Ok(accounts)
}

/// Repeats a call with growing delays while AWS throttles it.
async fn with_backoff<T, F>(clock: &Clock, call: impl Fn() -> F) -> Result<T, IdentityError>
where
    F: Future<Output = Result<T, IdentityError>>,
{
    for attempt in 1..ATTEMPTS {
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
