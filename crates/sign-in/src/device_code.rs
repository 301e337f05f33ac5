//! The device authorization flow (RFC 8628).

use std::time::Duration;

use ssod_model::{
    ClientRegistration, DeviceAuthorization, Grant, IdentityError, IdentityProvider, SessionTokens,
    SsoSession,
};

use crate::Failure;

/// RFC 8628, section 3.5: each `slow_down` adds this for good.
const SLOW_DOWN: Duration = Duration::from_secs(5);
/// What is polled at the most, whatever the server claims about the life of its code.
const PATIENCE: Duration = Duration::from_mins(30);
/// A server that names a longer wait is asked again all the same: the code would die meanwhile.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// Starts an authorization, shows it, and polls until a person answered or the code is dead.
pub async fn device_code<P: IdentityProvider>(
    provider: &P,
    session: &SsoSession,
    client: &ClientRegistration,
    show: impl FnOnce(&DeviceAuthorization) -> Result<(), Failure> + Send,
) -> Result<SessionTokens, Failure> {
    let authorization = provider.start_device_authorization(session, client).await?;
    show(&authorization)?;
    let life = authorization.expires_in.min(PATIENCE) + authorization.interval;
    tokio::time::timeout(life, poll(provider, session, client, &authorization))
        .await
        .unwrap_or(Err(Failure::TimedOut))
}

async fn poll<P: IdentityProvider>(
    provider: &P,
    session: &SsoSession,
    client: &ClientRegistration,
    authorization: &DeviceAuthorization,
) -> Result<SessionTokens, Failure> {
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
            Err(IdentityError::Unavailable(error)) => tracing::debug!(%error, "a poll got no answer"),
            Err(IdentityError::Throttled { retry_after }) => {
                tokio::time::sleep(retry_after.unwrap_or(interval).min(LONGEST_WAIT)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
