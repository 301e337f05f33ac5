//! Proof key for code exchange (RFC 7636) and the `state` that ties an answer to its question.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use ssod_model::Secret;

use crate::error::FlowError;

/// What one authorization request needs.
pub(crate) struct Proof {
    pub(crate) verifier: Secret,
    /// base64url of the verifier's SHA-256.
    pub(crate) challenge: String,
    pub(crate) state: Secret,
}

impl Proof {
    /// New for each request; fails only where the system has no random numbers.
    pub(crate) fn new() -> Result<Self, FlowError> {
        // 48 bytes make the 64 characters that the AWS CLI uses too.
        let verifier = random::<48>()?;
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose()));
        Ok(Self { verifier, challenge, state: random::<32>()? })
    }
}

fn random<const BYTES: usize>() -> Result<Secret, FlowError> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).map_err(|error| FlowError::Local(format!("no random numbers: {error}")))?;
    Ok(Secret::new(BASE64_URL_SAFE_NO_PAD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_the_verifiers_digest_and_nothing_repeats() {
        let (one, other) = (Proof::new().unwrap(), Proof::new().unwrap());
        assert_eq!((one.verifier.expose().len(), one.challenge.len()), (64, 43));
        assert_eq!(BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(one.verifier.expose())), one.challenge);
        assert!(one.state != other.state && one.verifier != other.verifier);
    }
}
