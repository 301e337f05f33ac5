//! Sign-in and sign-out: they replace or drop a session's tokens.

use std::sync::Arc;
use std::time::Duration;

use ssod_model::{
    ClientRegistration, Grant, IdentityError, IdentityProvider, ProfileName, SecretStore, SessionName,
    SessionRecord, SessionTokens, SignInFlow, SsoSession, StoreError, Timestamp, TimestampExt,
};
use thiserror::Error;

use crate::broker::Broker;
use crate::event::Event;
use crate::state::{NotOpen, SignedOut, State};

/// A registration that expires sooner is not used for a new sign-in. The AWS CLI has the same margin.
const REGISTRATION_MARGIN: Duration = Duration::from_mins(15);

/// Why a sign-in failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignInError {
    /// The session is not configured (any more).
    #[error("session \"{0}\" is not in the AWS config file")]
    NoSession(SessionName),
    /// Nothing can be saved: the vault is sealed, or not open yet.
    #[error("the vault is not open")]
    NotOpen(NotOpen),
    /// Identity Center refused, or did not answer.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The sign-in could not be saved, so it has no effect.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The result of a sign-out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logout {
    /// The session.
    pub session: SessionName,
    /// Whether it was signed in.
    pub was_signed_in: bool,
    /// The issued credentials that AWS still accepts, because they cannot be revoked, with their expiration.
    pub still_valid: Vec<(ProfileName, Timestamp)>,
    /// Why the session could not be ended at AWS; `None` if it was ended.
    pub not_ended_at_aws: Option<String>,
}

/// A sign-in in progress. The session's status shows it until this is dropped.
pub struct SigningIn<P: IdentityProvider, S: SecretStore> {
    broker: Broker<P, S>,
    session: Arc<SsoSession>,
}

impl<P: IdentityProvider, S: SecretStore> SigningIn<P, S> {
    /// Returns the session as it is configured.
    pub fn session(&self) -> &SsoSession {
        &self.session
    }

    /// Returns the stored registration for that flow, or a new one, which is stored before it is used.
    pub async fn client(&self, flow: SignInFlow) -> Result<ClientRegistration, SignInError> {
        let now = self.broker.now();
        let stored = {
            let state = self.broker.state();
            let entry = state.session(&self.session.name);
            entry.and_then(|entry| entry.record_for(&self.session).registrations.remove(&flow))
        };
        if let Some(client) = stored.filter(|client| client.expires_at > now.plus(REGISTRATION_MARGIN)) {
            return Ok(client);
        }
        let client = self.broker.0.provider.register_client(&self.session, flow).await?;
        if self.would_discard_sign_in() {
            return Ok(client);
        }
        let made = client.clone();
        let add = |record: &mut SessionRecord| drop(record.registrations.insert(flow, made));
        self.broker.update_record(&self.session, add, State::record_saved).await?;
        Ok(client)
    }

    /// Whether the session has a sign-in at another location, which must outlive this one if this one fails.
    fn would_discard_sign_in(&self) -> bool {
        let state = self.broker.state();
        let record = state.session(&self.session.name).and_then(|entry| entry.record());
        record.is_some_and(|record| record.tokens.is_some() && !record.belongs_to(&self.session))
    }

    /// Removes the stored registration, which Identity Center no longer knows.
    pub async fn forget_client(&self, flow: SignInFlow) -> Result<(), StoreError> {
        if self.would_discard_sign_in() {
            return Ok(());
        }
        let remove = |record: &mut SessionRecord| drop(record.registrations.remove(&flow));
        self.broker.update_record(&self.session, remove, State::record_saved).await
    }

    /// Completes the sign-in with its tokens, and drops the credentials of the previous sign-in. The profile that the
    /// user named counts as used, so its credentials are fetched before they are requested. The work completes even if
    /// the caller stops waiting.
    pub async fn complete(
        self,
        tokens: SessionTokens,
        named: Option<&ProfileName>,
    ) -> Result<(), StoreError> {
        let named = named.cloned();
        let completing = tokio::spawn(async move {
            let (broker, name, now) = (&self.broker, &self.session.name, self.broker.now());
            let destinations = broker.state().destinations_of(&self.session);
            let replace = |record: &mut SessionRecord| {
                record.tokens = Some(tokens);
                record.destinations = destinations;
                record.signed_in_at = Some(now);
            };
            // The first step, so a crash never leaves credentials of the previous user together with the new sign-in.
            broker.forget_cached(name).await?;
            let publish = |state: &mut State, generation, record| state.signed_in(generation, record, now);
            broker.update_record(&self.session, replace, publish).await?;
            if let Some(named) = named {
                broker.used(&named, None);
            }
            broker.wake();
            broker.send(Event::TokenChanged(name.clone()));
            tracing::info!(session = %name, "signed in");
            Ok(())
        });
        completing.await.unwrap_or_else(|error| Err(StoreError(error.to_string())))
    }
}

impl<P: IdentityProvider, S: SecretStore> Drop for SigningIn<P, S> {
    fn drop(&mut self) {
        self.broker.state().sign_in_ended(&self.session.name);
    }
}

impl<P: IdentityProvider, S: SecretStore> Broker<P, S> {
    /// Starts a sign-in. Until it is complete, callers get the same answers as before.
    pub fn begin_sign_in(&self, name: &SessionName) -> Result<SigningIn<P, S>, SignInError> {
        let mut state = self.state();
        if let Some(not_open) = state.not_open() {
            return Err(SignInError::NotOpen(not_open));
        }
        let session = state.sign_in_started(name).ok_or_else(|| SignInError::NoSession(name.clone()))?;
        Ok(SigningIn { broker: self.clone(), session })
    }

    /// Signs out: stops serving the credentials, removes them from the disk, then ends the session at AWS. The work
    /// completes even if the caller stops waiting.
    pub async fn logout(&self, name: &SessionName) -> Result<Logout, StoreError> {
        let (broker, name) = (self.clone(), name.clone());
        let signing_out = tokio::spawn(async move { broker.sign_out(&name).await });
        signing_out.await.unwrap_or_else(|error| Err(StoreError(error.to_string())))
    }

    async fn sign_out(&self, name: &SessionName) -> Result<Logout, StoreError> {
        let now = self.now();
        let Some(SignedOut { session, tokens, still_valid }) = self.state().signed_out(name, now) else {
            return Ok(Logout {
                session: name.clone(),
                was_signed_in: false,
                still_valid: vec![],
                not_ended_at_aws: None,
            });
        };
        self.send(Event::SignedOut(name.clone()));
        let forgotten = self.forget_on_disk(name).await;
        let not_ended_at_aws = match (&session, &tokens) {
            (Ok(session), Some(tokens)) => {
                self.log_out_at_aws(session, tokens).await.err().map(|error| error.to_string())
            }
            (Err(reason), Some(_)) => Some((*reason).to_owned()),
            (_, None) => None,
        };
        // A disk error must not prevent the logout at AWS, so it is returned only now.
        forgotten?;
        tracing::info!(session = %name, "signed out");
        Ok(Logout { session: name.clone(), was_signed_in: tokens.is_some(), still_valid, not_ended_at_aws })
    }

    /// Ends the session at AWS. The portal requires a valid access token, so an expired one is renewed first.
    async fn log_out_at_aws(
        &self,
        session: &SsoSession,
        tokens: &SessionTokens,
    ) -> Result<(), IdentityError> {
        let provider = &self.0.provider;
        let renewed = match &tokens.refresh_token {
            Some(token) if self.now() >= tokens.expires_at => {
                match provider.create_token(session, &tokens.client, Grant::RefreshToken(token.clone())).await
                {
                    Ok(renewed) => Some(renewed),
                    // A session that cannot be renewed has already ended at AWS.
                    Err(IdentityError::GrantRejected | IdentityError::RegistrationRejected) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
            _ => None,
        };
        match provider.logout(session, &renewed.as_ref().unwrap_or(tokens).access_token).await {
            Err(IdentityError::Unauthorized) => Ok(()),
            outcome => outcome,
        }
    }
}
