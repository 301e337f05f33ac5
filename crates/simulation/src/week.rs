//! Simulates a working week with ssod, and the same week with the AWS CLI's own rules: two identities, five days,
//! suspends and network faults.

use std::time::Duration;

use ssod_broker::{KeepFresh, Policy};
use ssod_fake_identity_center::Lifetimes;

use crate::laptop::Laptop;
use crate::setup::Setup;
use crate::storm::in_paused_time;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// AWS's default lifetime of a sign-in.
const SESSION_LIFETIME: u64 = 8 * HOUR;
/// The default lifetime of access tokens and role credentials.
const LIFETIME: u64 = HOUR;
/// botocore renews a token, and the CLI renews its cached credentials, when less than this is left.
const ADVISORY_REFRESH: u64 = 15 * MINUTE;
/// If a renewal fails, botocore uses the old credentials until this much is left.
const MANDATORY_REFRESH: u64 = 10 * MINUTE;

/// The numbers of one week.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Programs that asked for credentials.
    pub requests: usize,
    /// Programs that got none because the network was down.
    pub failed: usize,
    /// Programs that got none until the user signed in.
    pub blocked_by_sign_in: usize,
    /// Sign-ins by the user.
    pub sign_ins: usize,
    /// Renewals of access tokens.
    pub renewals: usize,
    /// GetRoleCredentials, each of which is an event in CloudTrail.
    pub role_calls: usize,
    /// Notices that a session had ended.
    pub notices: usize,
}

/// The week with ssod, and with the AWS CLI and SDKs alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Week {
    /// With ssod.
    pub ssod: Tally,
    /// With the rules of botocore 1.43 and the AWS CLI v2: each program renews a token that has 15 minutes left; the
    /// CLI caches role credentials on disk, and every other program fetches its own.
    pub aws_cli: Tally,
}

/// What happens in one minute of the week.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Activity {
    is_awake: bool,
    is_online: bool,
    /// The kind of program that uses the read-only identity, if one does.
    read_only: Option<ProgramKind>,
    /// The kind of program that uses the admin identity, if one does.
    admin: Option<ProgramKind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProgramKind {
    Cli,
    /// A script, Terraform or a build: a separate process, which fetches its own credentials.
    Other,
}

/// Returns what happens at this second of the week. The user works from nine to six with a lunch break. Each day, the
/// network is down for twenty minutes and for five minutes. A build runs in the night after Wednesday. The read-only
/// identity is used every other minute, and the admin identity every 45 minutes.
fn activity_at(at: u64) -> Activity {
    let (day, second) = (at / DAY, at % DAY);
    let (hour, minute) = (second / HOUR, second % HOUR / MINUTE);
    let is_working = day < 5 && (9..18).contains(&hour) && !(hour == 12 && minute >= 15);
    let is_night_build = day == 2 && hour >= 18 || day == 3 && hour < 9;
    let is_offline = hour == 11 && minute < 20 || hour == 16 && (30..35).contains(&minute);
    let program = |every: u64| {
        let minute_of_day = second / MINUTE;
        (is_working && minute_of_day.is_multiple_of(every)).then(|| {
            if (minute_of_day / every).is_multiple_of(2) { ProgramKind::Cli } else { ProgramKind::Other }
        })
    };
    let build = (is_night_build && minute.is_multiple_of(10)).then_some(ProgramKind::Other);
    Activity {
        is_awake: is_working || is_night_build,
        is_online: !is_offline,
        read_only: program(2).or(build),
        admin: program(45),
    }
}

/// Simulates both weeks.
pub fn week() -> Week {
    Week { ssod: with_ssod(), aws_cli: with_aws_cli_alone() }
}

fn with_ssod() -> Tally {
    let setup = Setup {
        profiles: 1,
        policy: Policy { keep_fresh: KeepFresh::Used, ..Policy::default() },
        lifetimes: Lifetimes {
            portal_session: Duration::from_secs(SESSION_LIFETIME),
            ..Lifetimes::default()
        },
        ..Setup::small(0)
    };
    in_paused_time(async {
        let mut laptop = Laptop::new(setup, None);
        let mut tally = Tally::default();
        for at in (0..7 * DAY).step_by(usize::try_from(MINUTE).unwrap()) {
            let now = activity_at(at);
            if !now.is_awake {
                laptop.suspend(Duration::from_secs(MINUTE));
                continue;
            }
            laptop.network().is_down = !now.is_online;
            for (index, _) in
                [now.read_only, now.admin].into_iter().enumerate().filter(|(_, used)| used.is_some())
            {
                tally.requests += 1;
                if laptop.request(index, 0).await {
                    continue;
                }
                if now.is_online && !laptop.is_signed_in(index) {
                    tally.blocked_by_sign_in += 1;
                    laptop.sign_in_to(index).await;
                } else {
                    tally.failed += 1;
                }
            }
            // The request's duration is part of the minute.
            let left = Duration::from_secs(at + MINUTE).saturating_sub(laptop.elapsed());
            laptop.wait(left).await;
        }
        let entries = laptop.entries();
        assert!(entries.broken_promises.is_empty(), "{:?}", entries.broken_promises);
        let (renewals, role_calls) = (entries.renewals, entries.fetches);
        Tally { sign_ins: laptop.sign_ins, notices: laptop.notices, renewals, role_calls, ..tally }
    })
}

/// One identity as the CLI and the SDKs handle it.
#[derive(Clone, Copy, Default)]
struct Identity {
    session_ends: u64,
    token_ends: u64,
    /// The role credentials in the CLI's cache.
    cached_until: u64,
}

fn with_aws_cli_alone() -> Tally {
    let (mut tally, mut identities) = (Tally::default(), [Identity::default(); 2]);
    for at in (0..7 * DAY).step_by(usize::try_from(MINUTE).unwrap()) {
        let now = activity_at(at);
        for (identity, program) in identities.iter_mut().zip([now.read_only, now.admin]) {
            if let Some(program) = program {
                tally.requests += 1;
                use_identity(identity, program, at, now.is_online, &mut tally);
            }
        }
    }
    tally
}

fn use_identity(identity: &mut Identity, program: ProgramKind, now: u64, is_online: bool, tally: &mut Tally) {
    let cached = if program == ProgramKind::Cli { identity.cached_until.saturating_sub(now) } else { 0 };
    if cached >= ADVISORY_REFRESH || cached >= MANDATORY_REFRESH && !is_online {
        return;
    }
    if !is_online {
        tally.failed += 1;
        return;
    }
    if identity.session_ends <= now {
        // The program fails; the user runs `aws sso login` and starts it again.
        tally.blocked_by_sign_in += 1;
        tally.sign_ins += 1;
        identity.session_ends = now + SESSION_LIFETIME;
        identity.token_ends = now + LIFETIME;
    }
    if identity.token_ends < now + ADVISORY_REFRESH {
        tally.renewals += 1;
        identity.token_ends = now + LIFETIME;
    }
    tally.role_calls += 1;
    if program == ProgramKind::Cli {
        identity.cached_until = now + LIFETIME;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_with_ssod_needs_no_more_sign_ins_and_a_fraction_of_the_calls() {
        let Week { ssod, aws_cli } = week();
        assert_eq!(ssod.requests, aws_cli.requests);
        assert!(ssod.sign_ins <= aws_cli.sign_ins, "{ssod:?} {aws_cli:?}");
        assert!(ssod.failed == 0 && aws_cli.failed > 20, "{ssod:?} {aws_cli:?}");
        assert!(ssod.role_calls * 4 < aws_cli.role_calls, "{ssod:?} {aws_cli:?}");
        assert_eq!(week(), week(), "the simulation is not deterministic");
    }
}
