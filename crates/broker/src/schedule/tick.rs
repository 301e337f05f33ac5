//! One tick of the refresher: starts the due work, and returns when to tick again.

use std::sync::atomic::Ordering;

use ssod_model::{IdentityProvider, SecretStore, Timestamp};

use crate::broker::Broker;
use crate::decide::NextStep;
use crate::policy::Policy;
use crate::state::{SessionStep, State};

/// The result of one tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tick {
    /// The number of tasks that were started.
    pub started: usize,
    /// The next deadline; `None` if there is none, or if all due work waits for a permit.
    pub next: Option<Timestamp>,
    /// Whether the rate limit delays due work: tick again when a [permit is available](Broker::permit_available).
    pub throttled: bool,
}

impl<P: IdentityProvider, S: SecretStore> Broker<P, S> {
    /// Starts all due work that the rate limit allows, each in its own task.
    pub fn renew_due(&self) -> Tick {
        self.0.ticks.send_modify(|ticks| *ticks += 1);
        let (now, policy) = (self.now(), self.policy());
        let mut state = self.state();
        if !state.accepts_work() {
            return Tick::default();
        }
        state.reschedule_dirty(now, &policy);
        let mut tick = Tick::default();
        self.process_due_sessions(&mut state, now, &mut tick);
        self.fetch_due(&mut state, now, &policy, &mut tick);
        self.write_due(&mut state, now, &mut tick);
        // The started work changed deadlines, too.
        state.reschedule_dirty(now, &policy);
        self.0.busy_ticks.fetch_add(u64::from(tick.started > 0 || tick.throttled), Ordering::Relaxed);
        let profiles = if tick.throttled { None } else { state.next_profile_deadline() };
        tick.next = [state.next_session_deadline(), profiles, state.next_write()].into_iter().flatten().min();
        tick
    }

    /// Ends when the rate limit allows background work.
    pub async fn permit_available(&self) {
        self.0.limiter.permit_available().await;
    }

    /// Retries now what failed because no answer arrived. To be called when the network may have changed or the machine
    /// resumed. Deadlines that passed meanwhile need no such call, because the timer follows the wall clock.
    pub fn try_again(&self) {
        let now = self.now();
        if self.state().network_changed(now) {
            self.wake();
        }
    }

    fn process_due_sessions(&self, state: &mut State, now: Timestamp, tick: &mut Tick) {
        while let Some((name, step)) = state.take_due_session(now) {
            match step {
                Some(SessionStep::Save) => {
                    self.start_saving_again(state, &name);
                    tick.started += 1;
                }
                // A renewal that cannot start has no deadline either, so ignoring the error cannot spin.
                Some(SessionStep::Renew) => {
                    tick.started += usize::from(self.begin_renewal(state, &name).is_ok());
                }
                None => {}
            }
        }
    }

    /// Starts the due fetches, the most urgent first, as long as the rate limit allows background calls.
    fn fetch_due(&self, state: &mut State, now: Timestamp, policy: &Policy, tick: &mut Tick) {
        while let Some((name, step)) = state.due_profile(now, policy) {
            match step {
                NextStep::Nothing | NextStep::WaitUntil(_) | NextStep::AwaitRenewal => {
                    state.reschedule_profile(&name, now, policy);
                }
                NextStep::AwaitToken => state.unschedule_profile(&name),
                // The end of the renewal gives the profile a new deadline.
                NextStep::RenewToken => {
                    state.unschedule_profile(&name);
                    let session = state.profile(&name).and_then(|entry| entry.config());
                    let session = session.map(|config| config.session.clone());
                    tick.started += usize::from(
                        session.is_some_and(|session| self.begin_renewal(state, &session).is_ok()),
                    );
                }
                NextStep::Fetch => {
                    let Some(permit) = self.0.limiter.try_permit() else {
                        tick.throttled = true;
                        return;
                    };
                    state.unschedule_profile(&name);
                    let fetch = self.begin_fetch(state, &name, now, policy, Some(permit));
                    tick.started += usize::from(fetch.is_some());
                }
            }
        }
    }

    fn write_due(&self, state: &mut State, now: Timestamp, tick: &mut Tick) {
        if state.take_due_write(now) {
            let broker = self.clone();
            tokio::spawn(async move { broker.write_credentials().await });
            tick.started += 1;
        }
    }
}
