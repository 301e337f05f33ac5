//! Measures what the AWS config file costs per profile. The baseline of each row is the same work with fewer profiles,
//! so a ratio far above 1 means that the cost of a profile grows with their number.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ssod_profiles::{Document, EndpointVariables, convert_to_ssod_form, plan_conversions, resolve};

use super::row::print_row;

const FEW: u32 = 1_000;
const MANY: u32 = 10_000;
const REPETITIONS: usize = 7;

/// Measures reading the file, and converting all of its profiles.
pub(super) fn run() -> Result<()> {
    type Work = fn(&str) -> Result<()>;
    let works: [(&str, Work); 2] = [("read", read_all), ("convert", convert_all)];
    for (name, work) in works {
        let [few, many] = [per_profile(FEW, work)?, per_profile(MANY, work)?];
        print_row(&format!("{name} the config file: a profile of {MANY} / of {FEW}"), many, few);
    }
    Ok(())
}

fn per_profile(profiles: u32, work: fn(&str) -> Result<()>) -> Result<Duration> {
    let text = config_file(profiles);
    let mut durations = Vec::with_capacity(REPETITIONS);
    for _ in 0..REPETITIONS {
        let start = Instant::now();
        work(&text)?;
        durations.push(start.elapsed() / profiles);
    }
    durations.sort_unstable();
    durations.get(REPETITIONS / 2).copied().context("nothing was measured")
}

fn read_all(text: &str) -> Result<()> {
    let configuration = resolve(&Document::parse(text), &EndpointVariables::default());
    configuration.profiles.first_key_value().map(drop).context("the file has no profile")
}

fn convert_all(text: &str) -> Result<()> {
    let configuration = resolve(&Document::parse(text), &EndpointVariables::default());
    let profiles: Vec<_> = configuration.profiles.values().collect();
    convert_to_ssod_form(text, &plan_conversions(&configuration, &profiles), "/usr/bin/ssod")
        .map(drop)
        .map_err(Into::into)
}

/// Returns a file with profiles in AWS's form; every second one has a start URL of its own.
fn config_file(profiles: u32) -> String {
    let session =
        "[sso-session s]\nsso_start_url = https://s.awsapps.com/start\nsso_region = us-east-1\n".to_owned();
    let profile = |number| {
        let portal = if number % 2 == 0 {
            "sso_session = s".to_owned()
        } else {
            format!("sso_start_url = https://x{}.awsapps.com/start\nsso_region = us-east-1", number % 99)
        };
        format!("\n[profile p{number}]\n{portal}\nsso_account_id = 123456789012\nsso_role_name = R{number}\n")
    };
    session + &(0..profiles).map(profile).collect::<String>()
}
