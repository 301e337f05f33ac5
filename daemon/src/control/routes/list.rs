//! `POST /v1/list`: the accounts and roles that each session's user may use.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use futures_util::{StreamExt, TryStreamExt, stream};
use ssod_broker::decide::{backoff, seed};
use ssod_clock::Clock;
use ssod_control::{Account, ErrorBody, ListRequest, ListedSession};
use ssod_model::{AccountId, IdentityError, IdentityProvider, SessionName};

use crate::control::failure::{Failure, RouteResult};
use crate::control::lookup::{find, require_open};
use crate::live_broker::LiveBroker;
use crate::sentence::sentence;
use crate::vault::keeper::VaultKeeper;

/// The maximum number of concurrent calls. Users report 429s from about twenty calls a second.
const CONCURRENT_CALLS: usize = 4;
/// The maximum number of attempts of a call that AWS throttles.
const ATTEMPTS: u32 = 6;
/// Attempts of one call that something else than AWS answers, because the user waits.
const FOREIGN_ATTEMPTS: u32 = 3;
/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

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
            Err(IdentityError::Unauthorized) => (Vec::new(), Some(Failure::signed_out(&session).body)),
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
    let provider = broker.provider();
    let listing = || {
        broker
            .portal(name, |token| async move { provider.list_accounts(&token.session, &token.secret).await })
    };
    let accounts = with_backoff(clock, listing).await?;
    let with_roles = stream::iter(accounts).map(|account| async move {
        let id = &account.id;
        let listing = || {
            broker.portal(name, |token| async move {
                provider.list_account_roles(&token.session, &token.secret, id).await
            })
        };
        let (roles, error) = match with_backoff(clock, listing).await {
            Ok(roles) => (roles.iter().map(ToString::to_string).collect(), None),
            // This is true of every account.
            Err(error @ IdentityError::Unauthorized) => return Err(error),
            Err(error) => (Vec::new(), Some(roles_not_listed(name, id, error))),
        };
        Ok::<_, IdentityError>(Account {
            id: account.id.to_string(),
            name: account.name,
            email: account.email,
            roles,
            error,
        })
    });
    let mut accounts: Vec<Account> = with_roles.buffer_unordered(CONCURRENT_CALLS).try_collect().await?;
    accounts.sort_by(|one, other| one.name.cmp(&other.name).then_with(|| one.id.cmp(&other.id)));
    Ok(accounts)
}

/// Returns why the roles of one account are not known.
fn roles_not_listed(session: &SessionName, account: &AccountId, error: IdentityError) -> ErrorBody {
    let message = sentence(&format!("the roles in account {account} cannot be listed: {error}"));
    let body = Failure::from(error).body;
    let hint = body.hint.unwrap_or_else(|| format!("Try again: ssod list {session}"));
    ErrorBody { message, hint: Some(hint), ..body }
}

/// Repeats a call with growing delays while AWS throttles it, or something else than AWS answers.
async fn with_backoff<T, F>(clock: &Clock, call: impl Fn() -> F) -> Result<T, IdentityError>
where
    F: Future<Output = Result<T, IdentityError>>,
{
    for attempt in 1..ATTEMPTS {
        match call().await {
            Err(IdentityError::Throttled { retry_after }) => {
                tokio::time::sleep(backoff(attempt, retry_after, LONGEST_WAIT, seed((attempt, clock.now()))))
                    .await;
            }
            Err(IdentityError::NotFromAws { .. }) if attempt < FOREIGN_ATTEMPTS => {
                tokio::time::sleep(backoff(attempt, None, LONGEST_WAIT, seed((attempt, clock.now())))).await;
            }
            outcome => return outcome,
        }
    }
    call().await
}
