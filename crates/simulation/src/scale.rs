//! Simulates many profiles, with a portal that answers twenty calls per second and randomly refuses one in twenty.

use std::time::Duration;

use ssod_broker::{KeepFresh, Policy};
use ssod_fake_identity_center::Lifetimes;

use crate::laptop::Laptop;
use crate::setup::Setup;
use crate::storm::in_paused_time;

/// The calls per second that the engine makes and the portal allows.
pub const RATE: f64 = 20.0;
/// The share of calls that the portal refuses.
const REFUSED_SHARE: f64 = 0.05;
const SESSIONS: usize = 5;

/// The result of a simulation with many profiles.
#[derive(Clone, Debug)]
pub struct ScaleOutcome {
    /// The number of profiles.
    pub profiles: usize,
    /// The time from the sign-in until every profile has credentials.
    pub fill: Duration,
    /// The calls that this took, including refused calls.
    pub calls: usize,
    /// The shortest remaining lifetime of any profile's credentials after that.
    pub shortest_lifetime: Duration,
    /// Renewals after that.
    pub renewals: usize,
    /// The longest wait of a caller after that.
    pub longest_wait: Duration,
    /// Descriptions of broken promises.
    pub broken_promises: Vec<String>,
}

/// Fetches credentials for all profiles, and then runs for some hours in which a caller lists accounts each minute.
pub fn scale(profiles: usize, hours: u64) -> ScaleOutcome {
    let setup = Setup {
        sessions: SESSIONS,
        profiles: profiles.div_ceil(SESSIONS),
        policy: Policy { keep_fresh: KeepFresh::All, portal_rate: RATE, ..Policy::default() },
        lifetimes: Lifetimes { portal_session: Duration::from_hours(24 * 30), ..Lifetimes::default() },
        ..Setup::small(1)
    };
    in_paused_time(async {
        let mut laptop = Laptop::new(setup, None);
        laptop.throttle(RATE, REFUSED_SHARE);
        laptop.sign_in_everywhere().await;
        let start = laptop.elapsed();
        while laptop.profiles_with_credentials() < profiles {
            laptop.wait(Duration::from_millis(200)).await;
        }
        let fill = laptop.elapsed().saturating_sub(start);
        let calls = laptop.entries().portal_calls;
        let fetches_of_fill = laptop.entries().fetches;
        let (mut shortest_lifetime, mut longest_wait) = (Duration::MAX, Duration::ZERO);
        for _ in 0..hours * 60 {
            laptop.wait(Duration::from_mins(1)).await;
            shortest_lifetime = shortest_lifetime.min(laptop.shortest_lifetime());
            longest_wait = longest_wait.max(laptop.measure_list().await);
        }
        let entries = laptop.entries();
        let (renewals, broken_promises) =
            (entries.fetches - fetches_of_fill, entries.broken_promises.clone());
        ScaleOutcome { profiles, fill, calls, shortest_lifetime, renewals, longest_wait, broken_promises }
    })
}
