//! The PKCE code verifier (RFC 7636), and the `state` that ties a response to its request.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use ssod_model::Secret;

use crate::error::FlowError;

/// The random values of one authorization request.
pub(crate) struct AuthorizationSecrets {
    pub(crate) code_verifier: Secret,
    /// The SHA-256 of the verifier, in base64url.
    pub(crate) code_challenge: String,
    pub(crate) state: Secret,
}

impl AuthorizationSecrets {
    /// Generates new values. Fails only if the system provides no random numbers.
    pub(crate) fn generate() -> Result<Self, FlowError> {
        // 48 bytes become 64 characters, the length that the AWS CLI uses.
        let code_verifier = random::<48>()?;
        let code_challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(code_verifier.expose()));
        Ok(Self { code_verifier, code_challenge, state: random::<32>()? })
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
    fn the_challenge_is_the_verifiers_digest_and_no_value_repeats() {
        let (one, other) =
            (AuthorizationSecrets::generate().unwrap(), AuthorizationSecrets::generate().unwrap());
        assert_eq!((one.code_verifier.expose().len(), one.code_challenge.len()), (64, 43));
        assert_eq!(
            BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(one.code_verifier.expose())),
            one.code_challenge
        );
        assert!(one.state != other.state && one.code_verifier != other.code_verifier);
    }
}
