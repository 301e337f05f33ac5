//! Many profiles, a portal that answers twenty calls a second and refuses one in twenty for no reason.

use std::time::Duration;

use ssod_broker::{KeepFresh, Policy};
use ssod_fake_identity_center::Lifetimes;

use crate::laptop::Laptop;
use crate::setup::Setup;
use crate::storm::in_paused_time;

/// Calls a second that are allowed, here and there.
pub const RATE: f64 = 20.0;
/// The share that is refused.
const REFUSED: f64 = 0.05;
const SESSIONS: usize = 5;

/// What became of that many profiles in some hours.
#[derive(Clone, Debug)]
pub struct Scale {
    /// How many there are.
    pub profiles: usize,
    /// From the sign-in until each has credentials.
    pub fill: Duration,
    /// The calls that this took, refused ones among them.
    pub calls: usize,
    /// The shortest remaining life of any held credentials from then on.
    pub shortest: Duration,
    /// Renewals from then on.
    pub renewals: usize,
    /// Requests of callers meanwhile, and the longest that one of them waited.
    pub longest_wait: Duration,
    /// Promises that were broken, in words.
    pub broken: Vec<String>,
}

/// Fills that many profiles, then lives on for so many hours, while somebody asks for one that is not kept fresh each minute.
pub fn scale(profiles: usize, hours: u64) -> Scale {
    let setup = Setup {
        sessions: SESSIONS,
        profiles: profiles.div_ceil(SESSIONS),
        policy: Policy { keep_fresh: KeepFresh::All, portal_rate: RATE, ..Policy::default() },
        lifetimes: Lifetimes { portal_session: Duration::from_hours(24 * 30), ..Lifetimes::default() },
        ..Setup::small(1)
    };
    in_paused_time(async {
        let mut laptop = Laptop::new(setup, 0);
        laptop.throttle(RATE, REFUSED);
        laptop.sign_in_where_needed().await;
        let begun = laptop.elapsed();
        while laptop.held() < profiles {
            laptop.pass(Duration::from_millis(200)).await;
        }
        let fill = laptop.elapsed().saturating_sub(begun);
        let calls = laptop.entries().portal_calls;
        let before = laptop.entries().fetches;
        let (mut shortest, mut longest_wait) = (Duration::MAX, Duration::ZERO);
        for _ in 0..hours * 60 {
            laptop.pass(Duration::from_mins(1)).await;
            shortest = shortest.min(laptop.shortest_held());
            longest_wait = longest_wait.max(laptop.wait_for_a_list().await);
        }
        let entries = laptop.entries();
        let (renewals, broken) = (entries.fetches - before, entries.broken.clone());
        Scale { profiles, fill, calls, shortest, renewals, longest_wait, broken }
    })
}
