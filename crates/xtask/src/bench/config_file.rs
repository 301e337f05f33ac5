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
    for (name, text) in HOSTILE {
        let [few, many] = [per_kilobyte(40, text)?, per_kilobyte(400, text)?];
        print_row(&format!("read a file of {name}: a kilobyte of 400 / of 40"), many, few);
    }
    Ok(())
}

/// Builds a file from its number of kilobytes.
type BuildFile = fn(usize) -> String;

/// Files that a user does not write.
const HOSTILE: [(&str, BuildFile); 4] = [
    ("one repeated key", |size| format!("[profile a]\n{}", "region = x\n".repeat(size * 90))),
    ("one long key", |size| {
        format!("[profile a]\nssod_{}\n{}", "k".repeat(size * 500), "  n = 1\n".repeat(size * 60))
    }),
    ("brackets", |size| format!("[{}{}]\n", "]".repeat(size * 500), " ".repeat(size * 500))),
    ("one section", |size| "[profile a]\n".repeat(size * 80)),
];

fn per_kilobyte(kilobytes: u32, text: BuildFile) -> Result<Duration> {
    let text = text(usize::try_from(kilobytes)?);
    median(kilobytes, || {
        let configuration = resolve(&Document::parse(&text), &EndpointVariables::default());
        std::hint::black_box(configuration);
        Ok(())
    })
}

fn per_profile(profiles: u32, work: fn(&str) -> Result<()>) -> Result<Duration> {
    let text = config_file(profiles);
    median(profiles, || work(&text))
}

/// Returns the median time of the work, divided by the number of its parts.
fn median(parts: u32, work: impl Fn() -> Result<()>) -> Result<Duration> {
    let mut durations = Vec::with_capacity(REPETITIONS);
    for _ in 0..REPETITIONS {
        let start = Instant::now();
        work()?;
        durations.push(start.elapsed() / parts);
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
