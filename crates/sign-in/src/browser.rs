//! The authorization code flow with PKCE, as the AWS CLI does it since 2.22, with a stricter listener.

use std::future::Future;
use std::time::Duration;

use ssod_model::{ClientRegistration, Grant, IdentityProvider, SessionTokens, SsoSession};

use crate::Failure;
use crate::callback::{Answer, Callback, Rejection};
use crate::page::Page;
use crate::pkce::Proof;

/// How long a person may take; the AWS CLI waits as long.
const PATIENCE: Duration = Duration::from_mins(10);

/// Listens for the callback, announces the URL that a person must visit, exchanges the code that comes back,
/// and hands the tokens to `keep` before the browser is told that all is well.
pub async fn browser<P, K>(
    provider: &P,
    session: &SsoSession,
    client: &ClientRegistration,
    announce: impl FnOnce(&str) -> Result<(), Failure> + Send,
    keep: impl FnOnce(SessionTokens) -> K + Send,
) -> Result<(), Failure>
where
    P: IdentityProvider,
    K: Future<Output = Result<(), Failure>> + Send,
{
    let proof = Proof::new()?;
    let listening = Callback::listen(proof.state.clone()).await;
    let mut callback =
        listening.map_err(|error| Failure::Local(format!("cannot listen on 127.0.0.1: {error}")))?;
    let (redirect_uri, state) = (callback.redirect_uri.clone(), proof.state.expose());
    announce(&provider.authorize_url(session, client, &redirect_uri, state, &proof.challenge)?)?;
    let answer = tokio::time::timeout(PATIENCE, &mut callback.answer).await.map_err(|_| Failure::TimedOut)?;
    let Answer { outcome, reply } =
        answer.map_err(|_| Failure::Local("the callback's listener ended".to_owned()))?;
    let result = match outcome {
        Ok(code) => {
            let verifier = proof.verifier;
            let grant = Grant::AuthorizationCode { code, redirect_uri, verifier };
            match provider.create_token(session, client, grant).await {
                Ok(tokens) => keep(tokens).await,
                Err(error) => Err(error.into()),
            }
        }
        Err(rejection) => Err(rejected(rejection)),
    };
    let page = match &result {
        Ok(()) => Page::SignedIn,
        Err(Failure::Denied) => Page::Denied,
        Err(_) => Page::Failed,
    };
    // The browser may have gone away; the sign-in counts all the same.
    let _ = reply.send(page);
    callback.close().await;
    result
}

fn rejected(rejection: Rejection) -> Failure {
    if rejection.error == "access_denied" {
        return Failure::Denied;
    }
    let said = rejection.description.unwrap_or(rejection.error);
    Failure::Refused(said.chars().filter(|character| !character.is_control()).take(200).collect())
}
