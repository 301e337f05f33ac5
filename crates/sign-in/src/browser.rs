//! The authorization code flow with PKCE, which the AWS CLI has since version 2.22, with a stricter listener.

use std::future::Future;
use std::time::Duration;

use ssod_model::{ClientRegistration, Grant, IdentityError, IdentityProvider, SessionTokens, SsoSession};

use crate::callback::{AuthorizationError, AuthorizationResponse, CallbackListener, CallbackRules};
use crate::error::FlowError;
use crate::page::ResultPage;
use crate::pkce::AuthorizationSecrets;

/// How long the user may take, as in the AWS CLI.
const SIGN_IN_TIMEOUT: Duration = Duration::from_mins(10);
/// The waits before the code is sent again, because no answer of AWS arrived. The browser waits for its page meanwhile.
const EXCHANGE_RETRIES: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// Signs in: listens for the callback, announces the URL that the user must visit, exchanges the returned code for
/// tokens, and passes the tokens to `save` before the browser shows success.
pub async fn sign_in_with_browser<P, F>(
    provider: &P,
    session: &SsoSession,
    client: &ClientRegistration,
    callback: CallbackRules,
    announce: impl FnOnce(&str) -> Result<(), FlowError> + Send,
    save: impl FnOnce(SessionTokens) -> F + Send,
) -> Result<(), FlowError>
where
    P: IdentityProvider,
    F: Future<Output = Result<(), FlowError>> + Send,
{
    let secrets = AuthorizationSecrets::generate()?;
    let listening = CallbackListener::start(secrets.state.clone(), callback).await;
    let mut listener =
        listening.map_err(|error| FlowError::Local(format!("cannot listen on 127.0.0.1: {error}")))?;
    let (redirect_uri, state) = (listener.redirect_uri.clone(), secrets.state.expose());
    announce(&provider.authorize_url(session, client, &redirect_uri, state, &secrets.code_challenge)?)?;
    let received = tokio::time::timeout(SIGN_IN_TIMEOUT, &mut listener.response).await;
    let AuthorizationResponse { result, reply } = received
        .map_err(|_| FlowError::TimedOut)?
        .map_err(|_| FlowError::Local("the listener for the browser's callback ended".to_owned()))?;
    let signed_in = match result {
        Ok(code) => {
            let verifier = secrets.code_verifier;
            let grant = Grant::AuthorizationCode { code, redirect_uri, verifier };
            match exchange(provider, session, client, grant).await {
                Ok(tokens) => save(tokens).await,
                Err(error) => Err(error.into()),
            }
        }
        Err(error) => Err(error.into()),
    };
    let page = match &signed_in {
        Ok(()) => ResultPage::SignedIn,
        Err(FlowError::Denied) => ResultPage::Denied,
        Err(_) => ResultPage::Failed,
    };
    // If the browser has disconnected, the page cannot be shown, but the result of the sign-in is the same.
    let _ = reply.send(page);
    listener.close().await;
    signed_in
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
        tracing::warn!(%error, "the code is sent again");
        tokio::time::sleep(wait).await;
        match provider.create_token(session, client, grant.clone()).await {
            // AWS accepted the code earlier, and its answer was lost: the earlier error is the one to report.
            Err(IdentityError::GrantRejected) => return outcome,
            next => outcome = next,
        }
    }
    outcome
}

impl From<AuthorizationError> for FlowError {
    fn from(error: AuthorizationError) -> Self {
        if error.code == "access_denied" {
            return Self::Denied;
        }
        let reason = error.description.unwrap_or(error.code);
        // A terminal shows the reason, so it has no control characters.
        Self::Refused(reason.chars().filter(|character| !character.is_control()).take(200).collect())
    }
}
