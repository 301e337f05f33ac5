//! The status of sessions and profiles, as the user sees it.

use ssod_model::{
    AccountId, Floor, IdentityProvider, ProfileName, Region, RoleName, SecretStore, SessionName, StartUrl,
    Timestamp, TimestampExt,
};

use crate::broker::Broker;
use crate::choice::ProfileChoice;
use crate::decide::{RETRY_MIN, Renew, TokenState, renew_token};
use crate::policy::Policy;
use crate::state::{ProfileEntry, RetryState, SessionEntry, State};

/// The status of all sessions and profiles at one time.
#[derive(Clone, Debug)]
pub struct BrokerStatus {
    /// The time of this status.
    pub now: Timestamp,
    /// The chosen profile.
    pub active: ProfileChoice,
    /// The sessions, by name.
    pub sessions: Vec<BrokerSessionStatus>,
    /// The profiles, by name.
    pub profiles: Vec<BrokerProfileStatus>,
}

/// Whether the user is signed in to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignInState {
    /// Unknown, because the vault is sealed.
    Locked,
    /// The user is signed out.
    SignedOut,
    /// A sign-in waits for the user's approval.
    SigningIn,
    /// The user is signed in.
    Active,
    /// AWS ended the session, or its token expired.
    Expired {
        /// Why.
        reason: String,
    },
}

/// The status of one session.
#[derive(Clone, Debug)]
pub struct BrokerSessionStatus {
    /// Its name.
    pub name: SessionName,
    /// The page where the user signs in.
    pub start_url: StartUrl,
    /// Its region.
    pub region: Region,
    /// Its state.
    pub state: SignInState,
    /// When the access token expires.
    pub token_expires_at: Option<Timestamp>,
    /// When the user signed in.
    pub signed_in_at: Option<Timestamp>,
    /// When the user must sign in again, if that is known.
    pub ends_at: Option<Timestamp>,
    /// Whether AWS renews this kind of sign-in. If it does not, `ends_at` is certain.
    pub renewable: bool,
    /// When the token is renewed next.
    pub next_renewal: Option<Timestamp>,
    /// Why it was not renewed, if the last renewal failed.
    pub trouble: Option<TroubleStatus>,
}

/// Why a renewal failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TroubleStatus {
    /// It will be retried.
    Retrying {
        /// The reason.
        reason: String,
        /// When it is retried.
        retry_at: Timestamp,
    },
    /// The role is not assigned.
    NoAccess,
    /// The user must sign in.
    SignInNeeded,
    /// The vault is sealed.
    Locked,
}

/// The status of one profile.
#[derive(Clone, Debug)]
pub struct BrokerProfileStatus {
    /// Its name.
    pub name: ProfileName,
    /// Its session.
    pub session: SessionName,
    /// Its account.
    pub account_id: AccountId,
    /// Its role.
    pub role_name: RoleName,
    /// Its region.
    pub region: Option<Region>,
    /// Whether the profile has AWS's own form, so that `--profile` bypasses ssod.
    pub aws_form: bool,
    /// When the held credentials expire; `None` if none are held.
    pub expiration: Option<Timestamp>,
    /// When they are renewed next.
    pub next_renewal: Option<Timestamp>,
    /// Why they were not renewed, if the last renewal failed.
    pub trouble: Option<TroubleStatus>,
    /// When a caller last requested them.
    pub last_used: Option<Timestamp>,
    /// The program that last requested them, if it is known.
    pub used_by: Option<String>,
}

impl<P: IdentityProvider, S: SecretStore> Broker<P, S> {
    /// Returns the status of the sessions, by name.
    pub fn sessions(&self) -> Vec<BrokerSessionStatus> {
        let (now, policy) = (self.now(), self.policy());
        sessions(&self.state(), now, &policy)
    }

    /// Returns the status of all sessions and profiles.
    pub fn status(&self) -> BrokerStatus {
        let (now, policy) = (self.now(), self.policy());
        let state = self.state();
        let sessions = sessions(&state, now, &policy);
        let profile = |(name, entry)| profile_status(&state, name, entry, now, &policy);
        let mut profiles: Vec<_> = state.profiles().filter_map(profile).collect();
        profiles.sort_by(|one, other| one.name.cmp(&other.name));
        BrokerStatus { now, active: state.choice().at(now), sessions, profiles }
    }
}

fn sessions(state: &State, now: Timestamp, policy: &Policy) -> Vec<BrokerSessionStatus> {
    let is_sealed = state.not_open().is_some();
    let mut sessions: Vec<_> =
        state.sessions().filter_map(|(_, entry)| session_status(entry, now, policy, is_sealed)).collect();
    sessions.sort_by(|one, other| one.name.cmp(&other.name));
    sessions
}

fn session_status(
    entry: &SessionEntry,
    now: Timestamp,
    policy: &Policy,
    is_sealed: bool,
) -> Option<BrokerSessionStatus> {
    let config = entry.config()?;
    let facts = entry.facts();
    let (state, token_expires_at) = match facts.token {
        _ if is_sealed => (SignInState::Locked, None),
        TokenState::SignedIn { token, refreshable } if refreshable || now < token.expires_at => {
            (SignInState::Active, Some(token.expires_at))
        }
        TokenState::SignedIn { .. } => {
            (SignInState::Expired { reason: "this kind of sign-in cannot be renewed".to_owned() }, None)
        }
        TokenState::SignedOut if entry.is_signing_in() => (SignInState::SigningIn, None),
        TokenState::SignedOut => {
            let ended = entry.ended().map(|reason| reason.to_string());
            match ended.or_else(|| entry.unusable_tokens().map(str::to_owned)) {
                Some(reason) => (SignInState::Expired { reason }, None),
                None => (SignInState::SignedOut, None),
            }
        }
    };
    let retry = entry.retry().filter(|retry| determines_renewal(retry, renew_token(now, &facts)));
    let signed_in_at = entry.record().and_then(|record| record.signed_in_at);
    let ends_at = match facts.token {
        TokenState::SignedIn { token, refreshable: false } => Some(token.expires_at),
        _ => signed_in_at.zip(policy.session_length).map(|(at, length)| at.plus(length)),
    };
    let renewable = !matches!(facts.token, TokenState::SignedIn { refreshable: false, .. });
    let ends_at = ends_at.filter(|_| state == SignInState::Active || !renewable && !is_sealed);
    Some(BrokerSessionStatus {
        renewable,
        signed_in_at: signed_in_at.filter(|_| state == SignInState::Active),
        ends_at,
        name: config.name.clone(),
        start_url: config.start_url.clone(),
        region: config.region.clone(),
        state,
        token_expires_at,
        next_renewal: renewal_time(renew_token(now, &facts)),
        trouble: retry.map(retrying),
    })
}

fn profile_status(
    state: &State,
    name: &ProfileName,
    entry: &ProfileEntry,
    now: Timestamp,
    policy: &Policy,
) -> Option<BrokerProfileStatus> {
    let config = entry.config()?;
    let decision = state.decide(now, name, Floor::CONTAINER, policy)?;
    let session = state.session(&config.session).map(|session| session.facts_for(config));
    let signed_out = session.is_none_or(|facts| match facts.token {
        TokenState::SignedOut => true,
        TokenState::SignedIn { token, refreshable } => !refreshable && now >= token.expires_at,
    });
    let trouble = match entry.retry().filter(|retry| determines_renewal(retry, decision.renew)) {
        _ if state.not_open().is_some() => Some(TroubleStatus::Locked),
        _ if signed_out => Some(TroubleStatus::SignInNeeded),
        Some(retry) if retry.is_refusal() => Some(TroubleStatus::NoAccess),
        Some(retry) => Some(retrying(retry)),
        None => None,
    };
    Some(BrokerProfileStatus {
        name: name.clone(),
        session: config.session.clone(),
        account_id: config.account_id.clone(),
        role_name: config.role_name.clone(),
        region: config.region.clone(),
        aws_form: config.aws_form,
        expiration: entry.credentials().map(|held| held.expiration).filter(|expiration| *expiration > now),
        next_renewal: renewal_time(decision.renew),
        trouble,
        last_used: entry.last_used(),
        used_by: entry.used_by().map(str::to_owned),
    })
}

fn retrying(retry: &RetryState) -> TroubleStatus {
    TroubleStatus::Retrying { reason: retry.reason().to_owned(), retry_at: retry.retry_at() }
}

/// Returns whether the next renewal is the retry of that failure. Otherwise the failure is no longer shown.
fn determines_renewal(retry: &RetryState, renew: Renew) -> bool {
    match renew {
        Renew::At(at) => at <= retry.retry_at().plus(RETRY_MIN),
        Renew::Never => true,
    }
}

fn renewal_time(renew: Renew) -> Option<Timestamp> {
    match renew {
        Renew::At(at) => Some(at),
        Renew::Never => None,
    }
}
