//! What a person sees of it all.

use ssod_model::{
    AccountId, Floor, IdentityProvider, ProfileName, Region, RoleName, SecretStore, SessionName, StartUrl,
    Timestamp, TimestampExt,
};

use crate::active::Active;
use crate::broker::Broker;
use crate::decide::{RETRY_MIN, Renew, Standing, renew_token};
use crate::policy::Policy;
use crate::state::{Failure, FailureKind, ProfileEntry, SessionEntry, State};

/// Everything at one instant.
#[derive(Clone, Debug)]
pub struct Status {
    /// When this was so.
    pub now: Timestamp,
    /// The chosen profile.
    pub active: Active,
    /// The sessions, by name.
    pub sessions: Vec<SessionStatus>,
    /// The profiles, by name.
    pub profiles: Vec<ProfileStatus>,
}

/// How a session stands, in the words that a person reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionState {
    /// Not known: the vault is locked.
    Locked,
    /// Nobody is signed in.
    SignedOut,
    /// A browser or a code waits for approval.
    SigningIn,
    /// Signed in.
    Active,
    /// Was signed in until AWS ended it.
    Expired {
        /// Why.
        reason: String,
    },
}

/// One session.
#[derive(Clone, Debug)]
pub struct SessionStatus {
    /// Its name.
    pub name: SessionName,
    /// Where people sign in.
    pub start_url: StartUrl,
    /// Its region.
    pub region: Region,
    /// How it stands.
    pub state: SessionState,
    /// When the access token ends.
    pub token_expires_at: Option<Timestamp>,
    /// When somebody signed in.
    pub signed_in_at: Option<Timestamp>,
    /// When somebody must sign in again, where that is known.
    pub ends_at: Option<Timestamp>,
    /// Whether AWS renews this kind of sign-in; where it does not, `ends_at` is certain.
    pub renewable: bool,
    /// When it is renewed next.
    pub next_renewal: Option<Timestamp>,
    /// What went wrong with renewing it.
    pub trouble: Option<TroubleStatus>,
}

/// Trouble with renewing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TroubleStatus {
    /// It is tried again.
    Retrying {
        /// What went wrong.
        reason: String,
        /// When.
        retry_at: Timestamp,
    },
    /// The role is not assigned.
    NoAccess,
    /// Somebody must sign in.
    SignInNeeded,
    /// The vault is locked.
    Locked,
}

/// One profile.
#[derive(Clone, Debug)]
pub struct ProfileStatus {
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
    /// Whether `--profile` goes past ssod.
    pub aws_form: bool,
    /// When the credentials that are held end; `None` where none are.
    pub expiration: Option<Timestamp>,
    /// When they are renewed next.
    pub next_renewal: Option<Timestamp>,
    /// What stands against renewing them.
    pub trouble: Option<TroubleStatus>,
    /// When somebody last asked for them.
    pub last_used: Option<Timestamp>,
    /// The program that did, where it is known.
    pub used_by: Option<String>,
}

impl<P: IdentityProvider, S: SecretStore> Broker<P, S> {
    /// The sessions, now, by name.
    pub fn sessions(&self) -> Vec<SessionStatus> {
        let (now, policy) = (self.now(), self.policy());
        sessions(&self.state(), now, &policy)
    }

    /// Everything, now.
    pub fn status(&self) -> Status {
        let (now, policy) = (self.now(), self.policy());
        let state = self.state();
        let sessions = sessions(&state, now, &policy);
        let profile = |(name, entry)| profile_status(&state, name, entry, now, &policy);
        let mut profiles: Vec<_> = state.profiles.iter().filter_map(profile).collect();
        profiles.sort_by(|one, other| one.name.cmp(&other.name));
        Status { now, active: state.selection.at(now), sessions, profiles }
    }
}

fn sessions(state: &State, now: Timestamp, policy: &Policy) -> Vec<SessionStatus> {
    let entries = state.sessions.values();
    let mut sessions: Vec<_> =
        entries.filter_map(|entry| session_status(entry, now, policy, state.closed.is_some())).collect();
    sessions.sort_by(|one, other| one.name.cmp(&other.name));
    sessions
}

fn session_status(
    entry: &SessionEntry,
    now: Timestamp,
    policy: &Policy,
    closed: bool,
) -> Option<SessionStatus> {
    let config = entry.config.as_ref()?;
    let facts = entry.facts();
    let (state, token_expires_at) = match facts.standing {
        _ if closed => (SessionState::Locked, None),
        Standing::SignedIn { token, refreshable } if refreshable || now < token.expires_at => {
            (SessionState::Active, Some(token.expires_at))
        }
        Standing::SignedIn { .. } => {
            (SessionState::Expired { reason: "this kind of sign-in cannot be renewed".to_owned() }, None)
        }
        Standing::SignedOut if entry.signing_in > 0 => (SessionState::SigningIn, None),
        Standing::SignedOut => match &entry.ended {
            Some(reason) => (SessionState::Expired { reason: reason.clone() }, None),
            None => (SessionState::SignedOut, None),
        },
    };
    let failure = entry.failure.as_ref().filter(|failure| is_retried(failure, renew_token(now, &facts)));
    let signed_in_at = entry.record.as_ref().and_then(|record| record.signed_in_at);
    let ends_at = match facts.standing {
        Standing::SignedIn { token, refreshable: false } => Some(token.expires_at),
        _ => signed_in_at.zip(policy.session_length).map(|(at, length)| at.plus(length)),
    };
    let renewable = !matches!(facts.standing, Standing::SignedIn { refreshable: false, .. });
    let ends_at = ends_at.filter(|_| state == SessionState::Active || !renewable && !closed);
    Some(SessionStatus {
        renewable,
        signed_in_at: signed_in_at.filter(|_| state == SessionState::Active),
        ends_at,
        name: config.name.clone(),
        start_url: config.start_url.clone(),
        region: config.region.clone(),
        state,
        token_expires_at,
        next_renewal: instant(renew_token(now, &facts)),
        trouble: failure.map(|failure| TroubleStatus::Retrying {
            reason: failure.reason.clone(),
            retry_at: failure.retry_at,
        }),
    })
}

fn profile_status(
    state: &State,
    name: &ProfileName,
    entry: &ProfileEntry,
    now: Timestamp,
    policy: &Policy,
) -> Option<ProfileStatus> {
    let config = entry.config.as_ref()?;
    let decision = state.decide(now, name, Floor::CONTAINER, policy)?;
    let session = state.sessions.get(&config.session).map(SessionEntry::facts);
    let signed_out = session.is_none_or(|facts| match facts.standing {
        Standing::SignedOut => true,
        Standing::SignedIn { token, refreshable } => !refreshable && now >= token.expires_at,
    });
    let trouble = match entry.failure.as_ref().filter(|failure| is_retried(failure, decision.renew)) {
        _ if state.closed.is_some() => Some(TroubleStatus::Locked),
        _ if signed_out => Some(TroubleStatus::SignInNeeded),
        Some(failure) if failure.kind == FailureKind::Refused => Some(TroubleStatus::NoAccess),
        Some(failure) => {
            Some(TroubleStatus::Retrying { reason: failure.reason.clone(), retry_at: failure.retry_at })
        }
        None => None,
    };
    Some(ProfileStatus {
        name: name.clone(),
        session: config.session.clone(),
        account_id: config.account_id.clone(),
        role_name: config.role_name.clone(),
        region: config.region.clone(),
        aws_form: config.aws_form,
        expiration: entry.credentials().map(|held| held.expiration).filter(|expiration| *expiration > now),
        next_renewal: instant(decision.renew),
        trouble,
        last_used: entry.last_used,
        used_by: entry.used_by.clone(),
    })
}

/// Whether the next try comes because the last one failed. What failed while it was not due is not due for long.
fn is_retried(failure: &Failure, renew: Renew) -> bool {
    match renew {
        Renew::At(at) => at <= failure.retry_at.plus(RETRY_MIN),
        Renew::Never => true,
    }
}

fn instant(renew: Renew) -> Option<Timestamp> {
    match renew {
        Renew::At(at) => Some(at),
        Renew::Never => None,
    }
}
