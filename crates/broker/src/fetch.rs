//! One fetch per profile, which all callers share.

use ssod_model::{
    IdentityError, IdentityProvider, ProfileName, RoleCredentials, SecretStore, Timestamp, TimestampExt,
};

use crate::broker::Broker;
use crate::policy::Policy;
use crate::portal::limiter::Permit;
use crate::state::{Completion, FetchJob, OnDrop, State};
use crate::tokens::TokenError;

impl<P: IdentityProvider, S: SecretStore> Broker<P, S> {
    /// Joins the fetch in progress, or starts one if it may succeed, for a caller that waits for it.
    pub(crate) fn start_fetch(&self, name: &ProfileName) -> Option<Completion> {
        let (now, policy) = (self.now(), self.policy());
        self.begin_fetch(&mut self.state(), name, now, &policy, None)
    }

    /// Does the same as [`start_fetch`](Self::start_fetch) with the locked state. The timer passes its permit; without
    /// one, the task waits for a permit.
    pub(crate) fn begin_fetch(
        &self,
        state: &mut State,
        name: &ProfileName,
        now: Timestamp,
        policy: &Policy,
        permit: Option<Permit>,
    ) -> Option<Completion> {
        let job = state.fetch_job(name, now)?;
        if let Some(completion) = state.joinable_fetch(&job) {
            return Some(completion);
        }
        if !state.may_fetch(name, now, policy) {
            return None;
        }
        let (completer, completion) = state.fetch_started(&job);
        let broker = self.clone();
        tokio::spawn(async move {
            let name = job.profile.name.clone();
            let _reschedule = OnDrop(|| {
                broker.state().fetch_ended(&name);
                broker.wake();
            });
            let outcome = broker.fetch_credentials(&job, permit).await;
            broker.finish_fetch(&job, outcome);
            completer.complete();
        });
        Some(completion)
    }

    async fn fetch_credentials(
        &self,
        job: &FetchJob,
        permit: Option<Permit>,
    ) -> Result<RoleCredentials, TokenError> {
        let (session, profile) = (&job.session, &job.profile);
        // The user signed in or out before this task first ran, so its result would be discarded.
        if self.state().session_at(&session.name, job.generation).is_none() {
            return Err(TokenError::Waiting);
        }
        self.call_portal(&session.name, permit, |token| async move {
            // The decision to fetch excluded this; the file may have changed since then.
            let Some(session) = token.session_for(profile) else {
                return Err(IdentityError::Rejected("its portal has changed since the sign-in".to_owned()));
            };
            let (account, role) = (&profile.account_id, &profile.role_name);
            self.0.provider.role_credentials(&session, &token.secret, account, role).await
        })
        .await
    }

    /// Stores the outcome, unless the session or the profile changed meanwhile. A failure never removes held
    /// credentials.
    fn finish_fetch(&self, job: &FetchJob, outcome: Result<RoleCredentials, TokenError>) {
        let (now, name) = (self.now(), &job.profile.name);
        let mut state = self.state();
        if !state.fetch_completed(job) {
            return;
        }
        match outcome {
            // The answer took longer than its credentials live, because the machine was suspended or the daemon was
            // stopped. The clock may be right, so the next fetch may start at once.
            Ok(credentials)
                if credentials.remaining(now).is_zero()
                    && !credentials.life().is_zero()
                    && now.since_or_zero(job.started_at) >= credentials.life() =>
            {
                tracing::debug!(profile = %name, "the answer arrived after its credentials had expired");
            }
            Ok(credentials) if credentials.remaining(now).is_zero() => {
                tracing::error!(
                    "AWS's new credentials have already expired by this machine's clock ({now}); set the clock"
                );
                state.fetched_expired(name, now);
            }
            Ok(credentials) => {
                tracing::debug!(profile = %name, expiration = %credentials.expiration, "credentials fetched");
                state.fetched(job, credentials, now);
            }
            // The session's own state shows the reason.
            Err(TokenError::SignedOut | TokenError::NotRenewable) => {}
            Err(TokenError::Waiting) => state.fetch_lacked_token(job, now),
            Err(TokenError::Identity(error)) => {
                if let Some(retry) = state.fetch_failed(name, &error, now) {
                    let retry_at = retry.retry_at();
                    tracing::warn!(profile = %name, %error, %retry_at, "cannot fetch credentials");
                }
            }
        }
    }
}
