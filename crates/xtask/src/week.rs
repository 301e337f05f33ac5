//! `cargo xtask week`: simulates a working week with ssod and with the AWS CLI alone.

use ssod_simulation::{Tally, week};

/// A description, and the function that returns its number from a tally.
type Row = (&'static str, fn(&Tally) -> usize);

const ROWS: [Row; 7] = [
    ("programs that asked for credentials", |week| week.requests),
    ("  failed because the network was down", |week| week.failed),
    ("  failed until the user signed in", |week| week.blocked_by_sign_in),
    ("sign-ins by the user", |week| week.sign_ins),
    ("notices that a session had ended", |week| week.notices),
    ("renewals of access tokens", |week| week.renewals),
    ("GetRoleCredentials, each in CloudTrail", |week| week.role_calls),
];

pub(crate) fn run() {
    let week = week();
    println!("{:40} {:>8} {:>14}", "one working week, two identities", "ssod", "AWS CLI alone");
    for (what, count) in ROWS {
        println!("{what:40} {:>8} {:>14}", count(&week.ssod), count(&week.aws_cli));
    }
}
