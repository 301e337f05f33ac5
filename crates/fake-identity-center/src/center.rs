//! The state machine: what Identity Center knows. Time is an argument of everything that depends on it.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use ssod_model::{Timestamp, TimestampExt};

use crate::faults::{Faults, Throttle};
use crate::records::{AccessToken, AuthorizationCode, Client, DeviceRequest, PortalSession, RefreshToken};
use crate::{Fault, World};

/// Requests that the log keeps.
const LOG_CAP: usize = 200_000;

/// How long things last.
#[derive(Clone, Debug)]
pub struct Lifetimes {
    /// Access tokens.
    pub access_token: Duration,
    /// Portal sessions, and with them refresh tokens.
    pub portal_session: Duration,
    /// Client registrations.
    pub registration: Duration,
    /// Device codes.
    pub device_code: Duration,
    /// Authorization codes.
    pub authorization_code: Duration,
    /// Role credentials whose permission set says nothing else.
    pub role: Duration,
    /// The poll interval that StartDeviceAuthorization tells.
    pub poll_interval: Duration,
    /// Whether each refresh token works once only.
    pub single_use_refresh_tokens: bool,
}

impl Default for Lifetimes {
    fn default() -> Self {
        let hour = Duration::from_hours(1);
        Self {
            access_token: hour,
            portal_session: 8 * hour,
            registration: 90 * 24 * hour,
            device_code: Duration::from_mins(10),
            authorization_code: Duration::from_mins(1),
            role: hour,
            poll_interval: Duration::from_secs(1),
            single_use_refresh_tokens: true,
        }
    }
}

/// One request as it was answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LoggedRequest {
    /// When, by the fake's clock, in milliseconds since the epoch.
    pub at_ms: i64,
    /// The operation, by AWS's name.
    pub operation: String,
    /// The HTTP status; 0 where the connection was cut.
    pub status: u16,
    /// Whose token it was, or which grant: never a secret.
    pub detail: String,
}

/// IAM Identity Center, as a state machine.
#[derive(Clone, Debug)]
pub struct Center {
    pub(crate) world: World,
    /// How long things last; may be changed at any time.
    pub lifetimes: Lifetimes,
    pub(crate) clients: BTreeMap<String, Client>,
    pub(crate) devices: BTreeMap<String, DeviceRequest>,
    pub(crate) codes: BTreeMap<String, AuthorizationCode>,
    pub(crate) portal_sessions: BTreeMap<u64, PortalSession>,
    pub(crate) access_tokens: BTreeMap<String, AccessToken>,
    pub(crate) refresh_tokens: BTreeMap<String, RefreshToken>,
    faults: Faults,
    throttle: Option<Throttle>,
    log: VecDeque<LoggedRequest>,
    seed: u64,
    counter: u64,
}

impl Center {
    /// A center that nobody has signed in to. Its secrets follow from the seed.
    pub fn new(world: World, lifetimes: Lifetimes, seed: u64) -> Self {
        Self {
            world,
            lifetimes,
            clients: BTreeMap::new(),
            devices: BTreeMap::new(),
            codes: BTreeMap::new(),
            portal_sessions: BTreeMap::new(),
            access_tokens: BTreeMap::new(),
            refresh_tokens: BTreeMap::new(),
            faults: Faults::default(),
            throttle: None,
            log: VecDeque::new(),
            seed,
            counter: 0,
        }
    }

    /// The people and what they may use.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Ends the portal sessions of that user, or of everybody: tokens die with them.
    pub fn end_sessions(&mut self, user: Option<&str>) {
        self.portal_sessions.retain(|_, session| user.is_some_and(|user| session.user != user));
    }

    /// Forgets every client registration, as AWS does at their end.
    pub fn forget_registrations(&mut self) {
        self.clients.clear();
    }

    /// Takes a role away from somebody; tells whether there was something to take.
    pub fn remove_assignment(&mut self, user: &str, account: &str, role: &str) -> bool {
        let before = self.world.assignments.len();
        self.world
            .assignments
            .retain(|one| !(one.user == user && one.account == account && one.role == role));
        before != self.world.assignments.len()
    }

    /// Gives somebody a role.
    pub fn add_assignment(&mut self, user: &str, account: &str, role: &str) {
        let (user, account, role) = (user.to_owned(), account.to_owned(), role.to_owned());
        self.world.assignments.push(crate::Assignment { user, account, role });
    }

    /// Limits the portal to so many calls a second, and refuses that share of all calls besides.
    pub fn throttle(&mut self, calls_a_second: f64, share: f64) {
        self.throttle = Some(Throttle::new(calls_a_second, share, self.seed));
    }

    /// Whether the portal refuses a call at that time.
    pub fn is_throttled(&mut self, now: Timestamp) -> bool {
        self.throttle.as_mut().is_some_and(|throttle| throttle.refuses(now))
    }

    /// Makes something go wrong from now on.
    pub fn add_fault(&mut self, fault: Fault) {
        self.faults.add(fault);
    }

    /// Makes nothing go wrong any more.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// The failure that this request meets, if any.
    pub fn take_fault(&mut self, operation: &str) -> Option<Fault> {
        self.faults.take(operation)
    }

    /// Notes a request.
    pub fn record(&mut self, at: Timestamp, operation: &str, status: u16, detail: String) {
        if self.log.len() == LOG_CAP {
            self.log.pop_front();
        }
        let at_ms = at.as_millisecond();
        self.log.push_back(LoggedRequest { at_ms, operation: operation.to_owned(), status, detail });
    }

    /// The requests so far, oldest first.
    pub fn log(&self) -> impl Iterator<Item = &LoggedRequest> {
        self.log.iter()
    }

    /// How often an operation was answered with 200.
    pub fn count(&self, operation: &str) -> usize {
        self.log.iter().filter(|one| one.operation == operation && one.status == 200).count()
    }

    pub(crate) fn open_portal_session(&mut self, now: Timestamp, user: &str) -> u64 {
        self.counter += 1;
        let session =
            PortalSession { user: user.to_owned(), ends_at: now.plus(self.lifetimes.portal_session) };
        self.portal_sessions.insert(self.counter, session);
        self.counter
    }

    pub(crate) fn portal_session(&self, now: Timestamp, id: u64) -> Option<&PortalSession> {
        self.portal_sessions.get(&id).filter(|session| now < session.ends_at)
    }

    /// A secret of that kind, unlike every other; the same seed gives the same ones.
    pub(crate) fn secret(&mut self, kind: &str) -> String {
        self.counter += 1;
        let digest = Sha256::new()
            .chain_update(self.seed.to_be_bytes())
            .chain_update(self.counter.to_be_bytes())
            .chain_update(kind)
            .finalize();
        format!("{kind}{digest:x}")
    }
}
