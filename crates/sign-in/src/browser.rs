//! The authorization code flow with PKCE, as the AWS CLI has it since 2.22, with a stricter listener.

use std::future::Future;
use std::time::Duration;

use ssod_model::{ClientRegistration, Grant, IdentityError, IdentityProvider, SessionTokens, SsoSession};

use crate::callback::{Answer, Callback, Rejection};
use crate::error::FlowError;
use crate::page::Page;
use crate::pkce::Proof;

/// How long the user may take; the AWS CLI waits as long.
const SIGN_IN_TIMEOUT: Duration = Duration::from_mins(10);
/// The waits before the code is sent once more, because no answer of AWS arrived. The browser shows its page meanwhile.
const EXCHANGE_RETRIES: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// Listens for the callback, announces the URL that the user must visit, exchanges the code that comes back, and passes the
/// tokens to `save` before the browser shows success.
pub async fn browser<P, K>(
    provider: &P,
    session: &SsoSession,
    client: &ClientRegistration,
    announce: impl FnOnce(&str) -> Result<(), FlowError> + Send,
    save: impl FnOnce(SessionTokens) -> K + Send,
) -> Result<(), FlowError>
where
    P: IdentityProvider,
    K: Future<Output = Result<(), FlowError>> + Send,
{
    let proof = Proof::new()?;
    let listening = Callback::listen(proof.state.clone()).await;
    let mut callback =
        listening.map_err(|error| FlowError::Local(format!("cannot listen on 127.0.0.1: {error}")))?;
    let (redirect_uri, state) = (callback.redirect_uri.clone(), proof.state.expose());
    announce(&provider.authorize_url(session, client, &redirect_uri, state, &proof.challenge)?)?;
    let answer =
        tokio::time::timeout(SIGN_IN_TIMEOUT, &mut callback.answer).await.map_err(|_| FlowError::TimedOut)?;
    let Answer { outcome, reply } =
        answer.map_err(|_| FlowError::Local("the callback's listener ended".to_owned()))?;
    let result = match outcome {
        Ok(code) => {
            let verifier = proof.verifier;
            let grant = Grant::AuthorizationCode { code, redirect_uri, verifier };
            match exchange(provider, session, client, grant).await {
                Ok(tokens) => save(tokens).await,
                Err(error) => Err(error.into()),
            }
        }
        Err(rejection) => Err(rejected(rejection)),
    };
    let page = match &result {
        Ok(()) => Page::SignedIn,
        Err(FlowError::Denied) => Page::Denied,
        Err(_) => Page::Failed,
    };
    // The browser may have disconnected; the sign-in is valid all the same.
    let _ = reply.send(page);
    callback.close().await;
    result
}

/// Exchanges the code for tokens. An answer that is not AWS's does not end the sign-in that the user has just approved.
async fn exchange<P: IdentityProvider>(
    provider: &P,
    session: &SsoSession,
    client: &ClientRegistration,
    grant: Grant,
) -> Result<SessionTokens, IdentityError> {
    let mut outcome = provider.create_token(session, client, grant.clone()).await;
    for wait in EXCHANGE_RETRIES {
        let Err(error @ (IdentityError::Unavailable(_) | IdentityError::NotFromAws { .. })) = &outcome else {
            return outcome;
        };
        tracing::warn!(%error, "the code is sent once more");
        tokio::time::sleep(wait).await;
        match provider.create_token(session, client, grant.clone()).await {
            // AWS has accepted the code before, and its answer was lost: that is the error to report.
            Err(IdentityError::GrantRejected) => return outcome,
            next => outcome = next,
        }
    }
    outcome
}

fn rejected(rejection: Rejection) -> FlowError {
    if rejection.error == "access_denied" {
        return FlowError::Denied;
    }
    let said = rejection.description.unwrap_or(rejection.error);
    FlowError::Refused(said.chars().filter(|character| !character.is_control()).take(200).collect())
}
