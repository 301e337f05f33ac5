//! The state of the whole daemon, for `ssod status`, `ssod doctor` and the metrics. All three show the same problems.

use std::sync::Arc;

use axum::extract::FromRef;
use ssod_broker::{BrokerProfileStatus, BrokerSessionStatus, ProfileChoice, SignInState, TroubleStatus};
use ssod_clock::{Clock, describe_clock_error};
use ssod_control::{
    ActiveProfile, DaemonStatus, Paths, ProfileState, ProfileStatus, SessionState, SessionStatus, Status,
    Trouble,
};
use ssod_model::{Timestamp, TimestampExt};
use ssod_vault::KeyStoreChoice;

use super::context::{ControlContext, DaemonFacts};
use super::overrides::endpoint_overrides;
use super::time::whole_seconds;
use crate::config::live_settings::LiveSettings;
use crate::config::problem::{Area, Problem, Problems};
use crate::config::unknown_profiles::unknown_profiles;
use crate::listen::imds_ports::ImdsPorts;
use crate::live_broker::LiveBroker;
use crate::vault::keeper::VaultKeeper;

/// Reports the state of the daemon.
#[derive(Clone)]
pub(super) struct Reporter {
    broker: LiveBroker,
    keeper: VaultKeeper,
    settings: LiveSettings,
    problems: Problems,
    imds_ports: ImdsPorts,
    clock: Clock,
    paths: Arc<Paths>,
    facts: Arc<DaemonFacts>,
}

impl FromRef<ControlContext> for Reporter {
    fn from_ref(context: &ControlContext) -> Self {
        Self {
            broker: context.broker.clone(),
            keeper: context.keeper.clone(),
            settings: context.settings.clone(),
            problems: context.problems.clone(),
            imds_ports: context.imds_ports.clone(),
            clock: context.clock.clone(),
            paths: context.paths.clone(),
            facts: context.facts.clone(),
        }
    }
}

impl Reporter {
    /// Returns everything that `ssod status` shows.
    pub(super) fn status(&self) -> Status {
        let status = self.broker.status();
        let now = status.now;
        let mut overrides = endpoint_overrides(&self.broker, &self.facts);
        let session = |one: BrokerSessionStatus| {
            let overrides = overrides.remove(&one.name).unwrap_or_default();
            SessionStatus { overrides, ..session(one, now) }
        };
        Status {
            daemon: self.daemon(),
            active: active_profile(&status.active),
            sessions: status.sessions.into_iter().map(session).collect(),
            profiles: status.profiles.into_iter().map(|status| profile(status, now)).collect(),
        }
    }

    /// Returns the part of the status that is about the daemon itself.
    pub(super) fn daemon(&self) -> DaemonStatus {
        let vault = self.keeper.state();
        DaemonStatus {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            home: self.paths.home.display().to_string(),
            port: self.facts.port,
            imds_ports: self.imds_ports.list(),
            key_store: vault.key_store().map(|store| store.to_string()).unwrap_or_default(),
            vault: vault.status(),
            config_file: self.paths.aws_config.display().to_string(),
            settings_file: self.paths.settings.display().to_string(),
            overrides: self.facts.overrides.clone(),
            proxy: self.facts.network.shown_proxy(),
            ca_bundle: self.facts.network.shown_ca_bundle(),
            problems: self.problems().iter().map(Problem::line).collect(),
        }
    }

    /// Returns all present problems.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = self.problems.all();
        let files = self.keeper.file_problems();
        problems.extend(files.into_iter().map(|problem| Problem::new(Area::Vault, problem)));
        problems.extend(self.misplaced_key());
        problems.extend(self.presence_without_password());
        problems.extend(self.unknown_profiles(&problems));
        problems.extend(self.clock.wrong_by().map(|by| {
            let error = describe_clock_error(by);
            let message = format!(
                "This machine's clock is {error}. ssod uses AWS's time, but SDKs sign with this clock"
            );
            Problem::new(Area::Clock, message)
                .with_remedy("Set it, on most systems by: sudo timedatectl set-ntp true")
        }));
        problems
    }

    /// Returns the profiles that the settings name and that do not exist. If a file has a mistake, its names may be out
    /// of date, and that mistake is to be fixed first.
    fn unknown_profiles(&self, others: &[Problem]) -> Vec<Problem> {
        let has_problem = |area: Area| others.iter().any(|problem| problem.area == area);
        let known = self.broker.profile_names();
        if has_problem(Area::Settings) || (known.is_empty() && has_problem(Area::AwsConfig)) {
            return Vec::new();
        }
        unknown_profiles(&self.settings.current(), &self.paths.settings, &known)
    }

    /// Returns a problem if the key is not in the store that the settings name.
    fn misplaced_key(&self) -> Option<Problem> {
        match (self.keeper.state().key_store(), self.settings.current().vault.key) {
            (Some(actual), KeyStoreChoice::Only(configured)) if actual != configured => {
                let message = format!("[vault] key says {configured}, but the vault's key is in {actual}");
                let remedy = format!("Move it: ssod vault move {configured}");
                Some(Problem::new(Area::KeyStore, message).with_remedy(remedy))
            }
            _ => None,
        }
    }

    /// Returns a problem if the settings require the user's presence, but the key is in a store without a password.
    fn presence_without_password(&self) -> Option<Problem> {
        let store = self.keeper.state().key_store().filter(|store| !store.has_password())?;
        self.settings.current().lock.presence.then(|| {
            let message = format!(
                "[lock] presence = true has no effect: the vault's key is in {store}, which has no password, so each of \
                 your programs can unlock ssod"
            );
            let remedy = "Move the key to a keyring: ssod vault move secret-service; or set presence = false";
            Problem::new(Area::KeyStore, message).with_remedy(remedy)
        })
    }
}

fn session(session: BrokerSessionStatus, now: Timestamp) -> SessionStatus {
    let (state, reason) = match session.state {
        SignInState::Locked => (SessionState::Locked, None),
        SignInState::SignedOut => (SessionState::SignedOut, None),
        SignInState::SigningIn => (SessionState::SigningIn, None),
        SignInState::Active => (SessionState::Active, None),
        SignInState::Expired { reason } => (SessionState::Expired, Some(reason)),
    };
    SessionStatus {
        name: session.name.to_string(),
        state,
        reason,
        start_url: session.start_url.to_string(),
        region: session.region.to_string(),
        expires_at: session.token_expires_at.map(whole_seconds),
        remaining: session.token_expires_at.map(|at| at.since_or_zero(now).as_secs()),
        ends_in: session.ends_at.filter(|at| *at > now).map(|at| at.since_or_zero(now).as_secs()),
        renews_in: session.next_renewal.map(|at| at.since_or_zero(now).as_secs()),
        trouble: session.trouble.map(|reason| trouble(reason, now)),
        overrides: Vec::new(),
    }
}

fn profile(profile: BrokerProfileStatus, now: Timestamp) -> ProfileStatus {
    let state = match (&profile.expiration, &profile.trouble) {
        (Some(_), _) => ProfileState::Ready,
        (None, None) => ProfileState::OnDemand,
        (None, Some(_)) => ProfileState::Blocked,
    };
    ProfileStatus {
        name: profile.name.to_string(),
        session: profile.session.to_string(),
        account_id: profile.account_id.to_string(),
        role_name: profile.role_name.to_string(),
        region: profile.region.map(|region| region.to_string()),
        state,
        expires_at: profile.expiration.map(whole_seconds),
        remaining: profile.expiration.map(|at| at.since_or_zero(now).as_secs()),
        renews_in: profile.next_renewal.map(|at| at.since_or_zero(now).as_secs()),
        trouble: profile.trouble.map(|reason| trouble(reason, now)),
        used_ago: profile.last_used.map(|at| now.since_or_zero(at).as_secs()),
        used_by: profile.used_by,
        aws_form: profile.aws_form,
    }
}

fn trouble(trouble: TroubleStatus, now: Timestamp) -> Trouble {
    match trouble {
        TroubleStatus::Retrying { reason, retry_at } => {
            Trouble::Retrying { reason, retry_in: retry_at.since_or_zero(now).as_secs() }
        }
        TroubleStatus::NoAccess => Trouble::NoAccess,
        TroubleStatus::SignInNeeded => Trouble::SignInNeeded,
        TroubleStatus::Locked => Trouble::Locked,
    }
}

/// Returns the active profile in the format of the control API.
pub(super) fn active_profile(active: &ProfileChoice) -> ActiveProfile {
    ActiveProfile {
        profile: active.profile.as_ref().map(ToString::to_string),
        until: active.revert.as_ref().map(|revert| whole_seconds(revert.at)),
        then: active.revert.as_ref().and_then(|revert| revert.to.as_ref().map(ToString::to_string)),
    }
}
