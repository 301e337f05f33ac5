//! The device authorization flow (RFC 8628).

use std::time::Duration;

use ssod_model::{
    ClientRegistration, DeviceAuthorization, Grant, IdentityError, IdentityProvider, SessionTokens,
    SsoSession,
};

use crate::error::FlowError;

/// RFC 8628, section 3.5: each `slow_down` adds this for good.
const SLOW_DOWN: Duration = Duration::from_secs(5);
/// What is polled at the most, whatever the server claims about the life of its code.
const PATIENCE: Duration = Duration::from_mins(30);
/// A server that names a longer wait is asked again all the same: the code would die meanwhile.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Starts an authorization, shows it, and polls until the user answers or the code expires.
pub async fn device_code<P: IdentityProvider>(
    provider: &P,
    session: &SsoSession,
    client: &ClientRegistration,
    show: impl FnOnce(&DeviceAuthorization) -> Result<(), FlowError> + Send,
) -> Result<SessionTokens, FlowError> {
    let authorization = provider.start_device_authorization(session, client).await?;
    show(&authorization)?;
    let life = authorization.expires_in.min(PATIENCE) + authorization.interval;
    tokio::time::timeout(life, poll(provider, session, client, &authorization))
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
            Err(IdentityError::SlowDown) => interval += SLOW_DOWN,
            // A lost poll is no answer: the code lives on, and the next poll may get through.
            Err(error @ (IdentityError::Unavailable(_) | IdentityError::NotFromAws { .. })) => {
                tracing::debug!(%error, "a poll got no answer of AWS");
            }
            Err(IdentityError::Throttled { retry_after }) => {
                tokio::time::sleep(retry_after.unwrap_or(interval).min(LONGEST_WAIT)).await;
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

    /// Polls while the user does something with the code after a while; returns how often it polled.
    async fn polls(
        wait: Duration,
        act: impl FnOnce(&SimulatedIdentityCenter, &ManualClock, &str) + Send + 'static,
    ) -> (Result<SessionTokens, FlowError>, usize) {
        // The simulation's clock stands still, so it finds every second poll too fast.
        let clock = ManualClock::at(1_800_000_000);
        let aws = SimulatedIdentityCenter::new(clock.clone(), Lifetimes::default());
        let client = aws.register_client(&session(), SignInFlow::DeviceCode).await.unwrap();
        let before = aws.calls();
        let user = aws.clone();
        let show = |authorization: &DeviceAuthorization| {
            let code = authorization.user_code.clone();
            tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                act(&user, &clock, &code);
            });
            Ok(())
        };
        let outcome = device_code(&aws, &session(), &client, show).await;
        (outcome, aws.calls() - before - 1)
    }

    #[tokio::test(start_paused = true)]
    async fn each_slow_down_adds_five_seconds_for_good() {
        let start = Instant::now();
        let (outcome, polls) = polls(Duration::from_secs(30), |aws, clock, code| {
            aws.center().answer_device(clock.now(), code, "alice", true).unwrap();
        })
        .await;
        outcome.unwrap();
        // After 1, 1, 6, 11 and 16 seconds.
        assert_eq!((polls, start.elapsed().as_secs()), (5, 35));
    }

    #[tokio::test(start_paused = true)]
    async fn a_denial_and_silence_are_told_apart() {
        let (denied, _) = polls(Duration::from_secs(3), |aws, clock, code| {
            aws.center().answer_device(clock.now(), code, "alice", false).unwrap();
        })
        .await;
        assert_eq!(denied.unwrap_err(), FlowError::Denied);
        let start = Instant::now();
        let (silence, _) = polls(Duration::ZERO, |_, _, _| {}).await;
        assert_eq!(silence.unwrap_err(), FlowError::TimedOut);
        assert!(start.elapsed() <= Duration::from_secs(602), "no longer than the code lives");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_poll_is_no_answer() {
        let (outcome, _) = polls(Duration::ZERO, |aws, clock, code| {
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
