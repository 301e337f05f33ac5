//! The size of a simulation, and the names in it.

use std::collections::BTreeMap;
use std::time::Duration;

use ssod_broker::{KeepFresh, Policy};
use ssod_fake_identity_center::{Assignment, AwsAccount, Lifetimes, PermissionSet, User, World};
use ssod_model::{
    AccountId, Endpoints, Profile, ProfileName, Region, RoleName, SessionName, SsoSession, StartUrl,
};

/// The size and the policy of a simulation.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// The seed of all random numbers.
    pub(crate) seed: u64,
    /// The number of sessions; each has its own user.
    pub(crate) sessions: usize,
    /// The number of profiles of each session.
    pub(crate) profiles: usize,
    /// The engine's policy.
    pub(crate) policy: Policy,
    /// AWS's lifetimes of tokens and credentials.
    pub(crate) lifetimes: Lifetimes,
    /// Whether the machine has a timer on the wall clock.
    pub(crate) has_alarm: bool,
}

impl Setup {
    /// Returns a setup of two users with three roles each, in which all profiles are kept fresh and sign-ins last 30
    /// days.
    pub(crate) fn small(seed: u64) -> Self {
        Self {
            seed,
            sessions: 2,
            profiles: 3,
            policy: Policy { keep_fresh: KeepFresh::All, ..Policy::default() },
            lifetimes: Lifetimes { portal_session: Duration::from_hours(24 * 30), ..Lifetimes::default() },
            has_alarm: true,
        }
    }
}

pub(crate) const ACCOUNT: &str = "123456789012";

pub(crate) fn user(session: usize) -> String {
    format!("user{session}")
}

pub(crate) fn role(profile: usize) -> String {
    format!("Role{profile}")
}

pub(crate) fn session_name(index: usize) -> SessionName {
    SessionName::parse(&format!("session{index}")).unwrap()
}

pub(crate) fn profile_name(session: usize, profile: usize) -> ProfileName {
    ProfileName::parse(&format!("profile{session}-{profile}")).unwrap()
}

pub(crate) fn sessions(setup: &Setup) -> BTreeMap<SessionName, SsoSession> {
    let session = |index| SsoSession {
        name: session_name(index),
        start_url: StartUrl::parse("https://x.awsapps.com/start").unwrap(),
        region: Region::parse("us-east-1").unwrap(),
        scopes: vec!["sso:account:access".to_owned()],
        endpoints: Endpoints::default(),
    };
    (0..setup.sessions).map(|index| (session_name(index), session(index))).collect()
}

pub(crate) fn profiles(setup: &Setup) -> BTreeMap<ProfileName, Profile> {
    let all =
        (0..setup.sessions).flat_map(|session| (0..setup.profiles).map(move |profile| (session, profile)));
    let profile = |(session, profile)| Profile {
        name: profile_name(session, profile),
        session: session_name(session),
        account_id: AccountId::parse(ACCOUNT).unwrap(),
        role_name: RoleName::parse(&role(profile)).unwrap(),
        region: None,
        aws_form: false,
        endpoints: None,
    };
    all.map(profile).map(|profile| (profile.name.clone(), profile)).collect()
}

pub(crate) fn world(setup: &Setup) -> World {
    let all =
        (0..setup.sessions).flat_map(|session| (0..setup.profiles).map(move |profile| (session, profile)));
    let assignment = |(session, profile)| Assignment {
        user: user(session),
        account: ACCOUNT.to_owned(),
        role: role(profile),
    };
    World {
        users: (0..setup.sessions).map(|index| User { name: user(index) }).collect(),
        accounts: vec![AwsAccount { id: ACCOUNT.to_owned(), name: "work".to_owned(), email: String::new() }],
        permission_sets: (0..setup.profiles)
            .map(|index| PermissionSet { name: role(index), session_seconds: None })
            .collect(),
        assignments: all.map(assignment).collect(),
        ..World::default()
    }
}
