//! IMDSv2 session tokens. They are stateless, so many tokens use no memory.
//!
//! A token contains its expiry and its port, authenticated by an HMAC whose key exists as long as the process. After a
//! restart, the daemon answers older tokens with a 401, and SDKs then request a new one.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use ssod_model::{Timestamp, TimestampExt};

/// The longest life that IMDSv2 allows, in seconds.
pub(crate) const MAX_TTL: u64 = 21_600;
const PAYLOAD_LEN: usize = 8 + 2;

/// Issues and checks IMDSv2 tokens.
#[derive(Clone)]
pub struct ImdsTokens(Hmac<Sha256>);

impl ImdsTokens {
    /// Generates the HMAC key; fails only if the system has no random numbers.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        let mac =
            Hmac::new_from_slice(&key).unwrap_or_else(|_| unreachable!("HMAC accepts keys of any length"));
        Ok(Self(mac))
    }

    /// Returns a token for that port that expires after that many seconds.
    pub(crate) fn issue(&self, now: Timestamp, port: u16, ttl: u64) -> String {
        let expires_at = now.plus(Duration::from_secs(ttl.min(MAX_TTL))).as_second();
        let mut token = Vec::with_capacity(PAYLOAD_LEN + 32);
        token.extend_from_slice(&expires_at.to_be_bytes());
        token.extend_from_slice(&port.to_be_bytes());
        let tag = self.0.clone().chain_update(&token).finalize().into_bytes();
        token.extend_from_slice(&tag);
        BASE64_URL_SAFE_NO_PAD.encode(token)
    }

    /// Returns whether this process issued the token for that port, and it has not expired.
    pub(crate) fn is_live(&self, now: Timestamp, port: u16, token: &[u8]) -> bool {
        let Ok(token) = BASE64_URL_SAFE_NO_PAD.decode(token) else { return false };
        let Some((payload, tag)) = token.split_at_checked(PAYLOAD_LEN) else { return false };
        if self.0.clone().chain_update(payload).verify_slice(tag).is_err() {
            return false;
        }
        let expires_at = payload[..8].try_into().map_or(0, i64::from_be_bytes);
        payload[8..] == port.to_be_bytes() && now.as_second() < expires_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_token_is_live_until_it_expires_and_only_at_its_port() {
        let tokens = ImdsTokens::new().unwrap();
        let token = tokens.issue(at(0), 7746, 60);
        assert!(tokens.is_live(at(59), 7746, token.as_bytes()));
        assert!(!tokens.is_live(at(60), 7746, token.as_bytes()));
        assert!(!tokens.is_live(at(0), 7747, token.as_bytes()));
        assert!(!ImdsTokens::new().unwrap().is_live(at(0), 7746, token.as_bytes()));
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_are_never_a_live_token(token in proptest::collection::vec(proptest::num::u8::ANY, 0..80)) {
            proptest::prop_assert!(!ImdsTokens::new().unwrap().is_live(at(0), 1, &token));
        }
    }
}
