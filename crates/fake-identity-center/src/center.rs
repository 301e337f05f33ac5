//! The state of Identity Center, as a state machine. Every method that depends on the time takes it as an argument.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use ssod_model::{Timestamp, TimestampExt};

use crate::faults::{Faults, Throttle};
use crate::records::{
    AccessTokenRecord, AuthorizationCode, DeviceRequest, PortalSession, RefreshTokenRecord, RegisteredClient,
};
use crate::{Fault, World};

/// How many requests the log has at most; the oldest are dropped.
const MAX_LOGGED_REQUESTS: usize = 200_000;

/// The lifetimes of what Identity Center issues.
#[derive(Clone, Debug)]
pub struct Lifetimes {
    /// Access tokens.
    pub access_token: Duration,
    /// Portal sessions, and with them refresh tokens.
    pub portal_session: Duration,
    /// RegisteredClient registrations.
    pub registration: Duration,
    /// Device codes.
    pub device_code: Duration,
    /// AuthorizationRequest codes.
    pub authorization_code: Duration,
    /// Role credentials, unless their permission set has another lifetime.
    pub role: Duration,
    /// The poll interval that StartDeviceAuthorization returns.
    pub poll_interval: Duration,
    /// Whether each refresh token can be used only once.
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

/// A request and its result.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LoggedRequest {
    /// The time by the fake's clock, in milliseconds since the epoch.
    pub at_ms: i64,
    /// AWS's name of the operation.
    pub operation: String,
    /// The HTTP status; 0 if the server closed the connection without an answer.
    pub status: u16,
    /// The user of the token, or the type of the grant; never a secret.
    pub detail: String,
}

/// IAM Identity Center, as a state machine.
#[derive(Clone, Debug)]
pub struct Center {
    pub(crate) world: World,
    /// The lifetimes; may be changed at any time.
    pub lifetimes: Lifetimes,
    pub(crate) clients: BTreeMap<String, RegisteredClient>,
    pub(crate) devices: BTreeMap<String, DeviceRequest>,
    pub(crate) codes: BTreeMap<String, AuthorizationCode>,
    pub(crate) portal_sessions: BTreeMap<u64, PortalSession>,
    pub(crate) access_tokens: BTreeMap<String, AccessTokenRecord>,
    pub(crate) refresh_tokens: BTreeMap<String, RefreshTokenRecord>,
    faults: Faults,
    throttle: Option<Throttle>,
    log: VecDeque<LoggedRequest>,
    seed: u64,
    counter: u64,
}

impl Center {
    /// Returns an Identity Center in which no user has signed in. The seed determines its secrets.
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

    /// Returns the users, accounts and assignments.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Ends the portal sessions of a user, or of all users. Their tokens become invalid.
    pub fn end_sessions(&mut self, user: Option<&str>) {
        self.portal_sessions.retain(|_, session| user.is_some_and(|user| session.user != user));
    }

    /// Removes every client registration, as AWS does when they expire.
    pub fn forget_registrations(&mut self) {
        self.clients.clear();
    }

    /// Removes an assignment, and returns whether it existed.
    pub fn remove_assignment(&mut self, user: &str, account: &str, role: &str) -> bool {
        let before = self.world.assignments.len();
        self.world.assignments.retain(|assignment| !assignment.matches(user, account, role));
        before != self.world.assignments.len()
    }

    /// Assigns a role to a user.
    pub fn add_assignment(&mut self, user: &str, account: &str, role: &str) {
        let (user, account, role) = (user.to_owned(), account.to_owned(), role.to_owned());
        self.world.assignments.push(crate::Assignment { user, account, role });
    }

    /// Limits the portal to a number of calls per second, and makes it refuse a share of all calls in addition.
    pub fn throttle(&mut self, calls_a_second: f64, share: f64) {
        self.throttle = Some(Throttle::new(calls_a_second, share, self.seed));
    }

    /// Returns whether the portal refuses a call at this time.
    pub fn is_throttled(&mut self, now: Timestamp) -> bool {
        self.throttle.as_mut().is_some_and(|throttle| throttle.refuses(now))
    }

    /// Adds a fault.
    pub fn add_fault(&mut self, fault: Fault) {
        self.faults.add(fault);
    }

    /// Removes every fault.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// Returns the fault that applies to a request of this operation about this account, if there is one, and counts
    /// its use.
    pub fn take_fault(&mut self, operation: &str, account: Option<&str>) -> Option<Fault> {
        self.faults.take(operation, account)
    }

    /// Adds a request to the log.
    pub fn record(&mut self, at: Timestamp, operation: &str, status: u16, detail: String) {
        if self.log.len() == MAX_LOGGED_REQUESTS {
            self.log.pop_front();
        }
        let at_ms = at.as_millisecond();
        self.log.push_back(LoggedRequest { at_ms, operation: operation.to_owned(), status, detail });
    }

    /// Returns the logged requests, oldest first.
    pub fn log(&self) -> impl Iterator<Item = &LoggedRequest> {
        self.log.iter()
    }

    /// Returns how often an operation succeeded.
    pub fn successful_calls(&self, operation: &str) -> usize {
        self.log.iter().filter(|request| request.operation == operation && request.status == 200).count()
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

    /// Returns a new, unique secret with this prefix. The same seed gives the same secrets.
    pub(crate) fn new_secret(&mut self, prefix: &str) -> String {
        self.counter += 1;
        let digest = Sha256::new()
            .chain_update(self.seed.to_be_bytes())
            .chain_update(self.counter.to_be_bytes())
            .chain_update(prefix)
            .finalize();
        format!("{prefix}{digest:x}")
    }
}
