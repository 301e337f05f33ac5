//! The device authorization flow (RFC 8628).

use std::time::Duration;

use ssod_model::{
    ClientRegistration, DeviceAuthorization, Grant, IdentityError, IdentityProvider, SessionTokens,
    SsoSession,
};

use crate::error::FlowError;

/// Each `slow_down` adds this to the interval permanently (RFC 8628, section 3.5).
const SLOW_DOWN_INCREMENT: Duration = Duration::from_secs(5);
/// The maximum polling time, even if the server sends a longer lifetime of the code.
const MAX_POLLING_TIME: Duration = Duration::from_mins(30);
/// The maximum wait after a throttled poll, because the code expires meanwhile.
const MAX_RETRY_AFTER: Duration = Duration::from_mins(1);

/// Signs in: starts an authorization, shows it, and polls until the user answers or the code expires.
pub async fn sign_in_with_device_code<P: IdentityProvider>(
    provider: &P,
    session: &SsoSession,
    client: &ClientRegistration,
    show: impl FnOnce(&DeviceAuthorization) -> Result<(), FlowError> + Send,
) -> Result<SessionTokens, FlowError> {
    let authorization = provider.start_device_authorization(session, client).await?;
    show(&authorization)?;
    let timeout = authorization.expires_in.min(MAX_POLLING_TIME) + authorization.interval;
    tokio::time::timeout(timeout, poll(provider, session, client, &authorization))
        .await
        .unwrap_or(Err(FlowError::TimedOut))
}

async fn poll<P: IdentityProvider>(
    provider: &P,
    session: &SsoSession,
    client: &ClientRegistration,
    authorization: &DeviceAuthorization,
) -> Result<SessionTokens, FlowError> {
    let mut interval = authorization.interval;
    loop {
        tokio::time::sleep(interval).await;
        match provider
            .create_token(session, client, Grant::DeviceCode(authorization.device_code.clone()))
            .await
        {
            Ok(tokens) => return Ok(tokens),
            Err(IdentityError::Pending) => {}
            Err(IdentityError::SlowDown) => interval += SLOW_DOWN_INCREMENT,
            // The code is still valid, and the next poll may reach AWS.
            Err(error @ (IdentityError::Unavailable(_) | IdentityError::NotFromAws { .. })) => {
                tracing::debug!(%error, "a poll received no answer of AWS");
            }
            Err(IdentityError::Throttled { retry_after }) => {
                tokio::time::sleep(retry_after.unwrap_or(interval).min(MAX_RETRY_AFTER)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use ssod_fake_identity_center::Lifetimes;
    use ssod_model::{Endpoints, Region, SessionName, SignInFlow, StartUrl};
    use ssod_testkit::{ManualClock, SimulatedIdentityCenter};
    use tokio::time::Instant;

    use super::*;

    fn session() -> SsoSession {
        SsoSession {
            name: SessionName::parse("s").unwrap(),
            start_url: StartUrl::parse("https://x.awsapps.com/start").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
            scopes: vec!["sso:account:access".to_owned()],
            endpoints: Endpoints::default(),
        }
    }

    /// Signs in, with a user who acts after a delay. Returns the outcome and the number of polls.
    async fn sign_in(
        delay: Duration,
        act: impl FnOnce(&SimulatedIdentityCenter, &ManualClock, &str) + Send + 'static,
    ) -> (Result<SessionTokens, FlowError>, usize) {
        // The clock of the simulated Identity Center does not advance, so it answers `slow_down` to each poll but the
        // first.
        let clock = ManualClock::at(1_800_000_000);
        let aws = SimulatedIdentityCenter::new(clock.clone(), Lifetimes::default());
        let client = aws.register_client(&session(), SignInFlow::DeviceCode).await.unwrap();
        let before = aws.calls();
        let user = aws.clone();
        let show = |authorization: &DeviceAuthorization| {
            let code = authorization.user_code.clone();
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                act(&user, &clock, &code);
            });
            Ok(())
        };
        let outcome = sign_in_with_device_code(&aws, &session(), &client, show).await;
        (outcome, aws.calls() - before - 1)
    }

    #[tokio::test(start_paused = true)]
    async fn each_slow_down_adds_five_seconds_to_the_interval() {
        let start = Instant::now();
        let (outcome, polls) = sign_in(Duration::from_secs(30), |aws, clock, code| {
            aws.center().answer_device(clock.now(), code, "alice", true).unwrap();
        })
        .await;
        outcome.unwrap();
        // The polls are 1, 1, 6, 11 and 16 seconds apart.
        assert_eq!((polls, start.elapsed().as_secs()), (5, 35));
    }

    #[tokio::test(start_paused = true)]
    async fn a_denial_and_a_timeout_are_different_errors() {
        let (denied, _) = sign_in(Duration::from_secs(3), |aws, clock, code| {
            aws.center().answer_device(clock.now(), code, "alice", false).unwrap();
        })
        .await;
        assert_eq!(denied.unwrap_err(), FlowError::Denied);
        let start = Instant::now();
        let (unanswered, _) = sign_in(Duration::ZERO, |_, _, _| {}).await;
        assert_eq!(unanswered.unwrap_err(), FlowError::TimedOut);
        assert!(start.elapsed() <= Duration::from_secs(602), "polling ends when the code expires");
    }

    #[tokio::test(start_paused = true)]
    async fn polling_continues_after_a_network_failure() {
        let (outcome, _) = sign_in(Duration::ZERO, |aws, clock, code| {
            aws.set_reachable(false);
            let (aws, clock, code) = (aws.clone(), clock.clone(), code.to_owned());
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(20)).await;
                aws.set_reachable(true);
                aws.center().answer_device(clock.now(), &code, "alice", true).unwrap();
            });
        })
        .await;
        outcome.unwrap();
    }
}
