//! Calls to the portal under a session's token: rate-limited, and retried with a renewed token.

use std::future::Future;

use ssod_model::{IdentityError, IdentityProvider, SecretStore, SessionName};

use super::limiter::Permit;
use crate::broker::Broker;
use crate::decide::FOREIGN_RETRY_MAX;
use crate::state::{BoundToken, EndReason};
use crate::tokens::TokenError;

/// A session has ended when the portal refuses this number of tokens in a row. The second token may come from a renewal
/// that started before the machine was suspended, or while a clock was wrong; the third one is new.
const MAX_REFUSALS: usize = 3;

impl<P: IdentityProvider, S: SecretStore> Broker<P, S> {
    /// Calls the portal to list accounts and roles, at the endpoint of the session that comes with the token.
    /// `Unauthorized` means that the user must sign in.
    pub async fn portal<T, F>(
        &self,
        name: &SessionName,
        call: impl Fn(BoundToken) -> F,
    ) -> Result<T, IdentityError>
    where
        F: Future<Output = Result<T, IdentityError>>,
    {
        self.call_portal(name, None, call).await.map_err(|error| match error {
            TokenError::SignedOut | TokenError::NotRenewable => IdentityError::Unauthorized,
            TokenError::Waiting => {
                IdentityError::Unavailable("the sign-in could not be renewed yet".to_owned())
            }
            TokenError::Identity(error) => error,
        })
    }

    /// Calls the portal within the rate limit; the timer passes the permit for the first call. If the portal refuses a
    /// token, the token is renewed.
    pub(crate) async fn call_portal<T, F>(
        &self,
        name: &SessionName,
        mut permit: Option<Permit>,
        call: impl Fn(BoundToken) -> F,
    ) -> Result<T, TokenError>
    where
        F: Future<Output = Result<T, IdentityError>>,
    {
        let generation = self.state().generation(name);
        let mut token = self.usable_token(name).await?;
        for refusals in 1..=MAX_REFUSALS {
            match self.call_within_limit(permit.take(), call(token.clone())).await {
                Err(IdentityError::Unauthorized) => {}
                outcome => return outcome.map_err(TokenError::Identity),
            }
            if refusals == MAX_REFUSALS {
                break;
            }
            // The user signed in or out meanwhile, so the result of this call would be discarded.
            if self.state().generation(name) != generation {
                return Err(TokenError::Waiting);
            }
            token = match self.token_instead_of(name, &token.secret).await {
                Ok(renewed) => renewed,
                Err(TokenError::NotRenewable) => break,
                Err(error) => return Err(error),
            };
        }
        self.end_session(name, generation, EndReason::Portal).await;
        Err(TokenError::SignedOut)
    }

    /// Makes one call under a permit, and reports to the limiter whether the portal throttled it.
    async fn call_within_limit<T>(
        &self,
        permit: Option<Permit>,
        call: impl Future<Output = Result<T, IdentityError>>,
    ) -> Result<T, IdentityError> {
        let _permit = match permit {
            Some(permit) => permit,
            None => self.0.limiter.permit().await,
        };
        let outcome = call.await;
        match &outcome {
            Err(IdentityError::Throttled { retry_after }) => self.0.limiter.throttled(*retry_after),
            // A proxy that limits calls throttles all of them, too, but must not block them for long.
            Err(IdentityError::NotFromAws { status: 429, retry_after, .. }) => {
                self.0.limiter.throttled(retry_after.map(|retry_after| retry_after.min(FOREIGN_RETRY_MAX)));
            }
            // A missing answer contains no information about the rate.
            Err(
                IdentityError::Unavailable(_)
                | IdentityError::NotFromAws { .. }
                | IdentityError::UntrustedEndpoint { .. },
            ) => {}
            _ => self.0.limiter.answered(),
        }
        outcome
    }
}
