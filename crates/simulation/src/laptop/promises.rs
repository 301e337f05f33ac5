//! Checks the promises to the users of a laptop.

use std::time::Duration;

use ssod_broker::{Event, SignInState};
use ssod_fake_identity_center::Assignment;
use ssod_model::{Floor, RoleCredentials, TimestampExt};

use super::{Laptop, alive_tasks};
use crate::setup::{profile_name, role, session_name, user};

/// The time after the last fault in which the engine must recover: the longest back-off, and the work that follows it.
const RECOVERY_TIME: Duration = Duration::from_mins(7);
/// The number of wakes without work that a run may have: a token that expires in the second of a deadline causes one.
const ALLOWED_IDLE_WAKES: u64 = 2;
/// A clock that is less than this behind counts as right.
const TOLERATED_LAG: Duration = Duration::from_mins(2);
/// The time in which the engine must detect that AWS ended a session. AWS sends no notice, so the engine detects it at
/// the next renewal, which is at most half an hour later.
const END_DETECTION_LIMIT: Duration = Duration::from_mins(40);

impl Laptop {
    /// Returns whether this run's clock is right. Before the first answer from AWS, it depends on the wall clock alone.
    fn is_clock_right(&self) -> bool {
        self.run.clock.may_lag() < TOLERATED_LAG
    }

    /// Returns whether the user is signed in, on the laptop and at AWS, and has the role.
    fn can_renew(&self, session: usize, profile: usize) -> bool {
        let center = self.cloud.center();
        let is_assigned = |one: &Assignment| one.user == user(session) && one.role == role(profile);
        self.expected_sign_ins.contains(&session_name(session))
            && center.is_signed_in(self.time.truth(), &user(session))
            && center.world().assignments.iter().any(is_assigned)
    }

    /// Counts the answer to a request, and checks that its credentials have enough time left.
    pub(super) fn record_served(&mut self, session: usize, profile: usize, credentials: &RoleCredentials) {
        let name = profile_name(session, profile);
        self.served += 1;
        let left = credentials.expiration.since_or_zero(self.time.truth());
        if left.is_zero() && credentials.expiration.plus(self.run.clock.may_lag()) <= self.time.truth() {
            self.report_broken(&format!(
                "{name} was served although it expired at {}",
                credentials.expiration
            ));
        }
        if self.has_recovered() && self.is_clock_right() && self.can_renew(session, profile) {
            self.shortest_served = self.shortest_served.min(left);
            if left < Floor::CONTAINER.0 {
                self.report_broken(&format!("{name} was served with {left:?} left although AWS answers"));
            }
        }
    }

    /// Returns whether the engine has had enough time to recover from the last fault.
    pub(crate) fn has_recovered(&self) -> bool {
        self.recovering_for() > RECOVERY_TIME
    }

    /// Returns how long ago the engine had to start to recover.
    fn recovering_for(&self) -> Duration {
        self.time.elapsed().saturating_sub(self.recovering_since)
    }

    /// Records a broken promise in the ledger and in the trace.
    fn report_broken(&self, what: &str) {
        self.time.trace(|| format!("BROKEN: {what}; {}", self.run.clock.describe()));
        self.ledger.record_broken(self.time.elapsed(), what);
    }

    /// Counts the notices, and checks the promises that must hold at any time.
    pub(crate) fn check_promises(&mut self) {
        while let Ok(event) = self.run.events.try_recv() {
            if matches!(event, Event::Ended { .. }) {
                self.notices += 1;
            }
        }
        if self.run.life.is_dead() {
            return;
        }
        self.check_sessions();
        self.check_resources();
    }

    /// Checks that no sign-in is lost, and that the engine detects that AWS ended a session.
    fn check_sessions(&mut self) {
        let now = self.time.truth();
        for status in self.run.broker.status().sessions {
            let index = (0..self.setup.sessions).find(|index| session_name(*index) == status.name).unwrap();
            let is_active_here = matches!(status.state, SignInState::Active | SignInState::SigningIn);
            let is_active_at_aws = self.cloud.center().is_signed_in(now, &user(index));
            if self.expected_sign_ins.contains(&status.name) && !is_active_here {
                self.expected_sign_ins.remove(&status.name);
                if is_active_at_aws {
                    self.time.trace(|| format!("{} is lost", status.name));
                    self.ledger.record_lost(&status.name);
                }
            }
            if is_active_at_aws || !is_active_here {
                self.ended_at.remove(&status.name);
                continue;
            }
            let ended_at = *self.ended_at.entry(status.name.clone()).or_insert(self.time.elapsed());
            let since = self.time.elapsed().saturating_sub(ended_at).min(self.recovering_for());
            if since > END_DETECTION_LIMIT && self.is_clock_right() {
                self.report_broken(&format!("{} is shown as active although AWS ended it", status.name));
            }
        }
    }

    /// Checks that the engine neither wakes without work nor leaks tasks.
    fn check_resources(&self) {
        let idle = self.run.clock.idle_wakes();
        if idle > ALLOWED_IDLE_WAKES {
            self.report_broken(&format!("the engine woke {idle} times without work"));
        }
        let most = self.dead_tasks + 8 + self.setup.sessions * (2 * self.setup.profiles + 3);
        if alive_tasks() > most {
            self.report_broken(&format!(
                "{} tasks are alive, although at most {most} are needed",
                alive_tasks()
            ));
        }
    }

    /// Checks the promise for times without faults: every profile has credentials with enough time left.
    pub(crate) fn check_all_fresh(&self) {
        let (status, now) = (self.run.broker.status(), self.time.truth());
        for profile in status.profiles {
            let left = profile.expiration.map_or(Duration::ZERO, |expiration| expiration.since_or_zero(now));
            if left < Floor::CONTAINER.0 || profile.trouble.is_some() {
                self.report_broken(&format!("{} has {left:?} left, and {:?}", profile.name, profile.trouble));
            }
        }
    }
}
