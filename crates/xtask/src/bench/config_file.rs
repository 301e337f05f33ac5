//! Reading and converting the AWS config file: what it costs per profile. The baseline of each row is the same work with fewer profiles,
//! so a ratio far above 1 means that the cost of a profile grows with their number.

use std::time::Instant;

use anyhow::{Context, Result};
use ssod_profiles::{Document, EndpointVariables, convert_to_ssod_form, plan_conversions, resolve};

use super::rounds::ROUNDS;
use super::table::{Row, Samples, Unit};

const FEW: u32 = 1_000;
const MANY: u32 = 10_000;

/// Measures reading the file, and converting all of its profiles, without a daemon.
pub(super) fn rows() -> Result<Vec<Row>> {
    type Work = fn(&str) -> Result<()>;
    let works: [(&str, Work); 2] = [("read", read_all), ("convert", convert_all)];
    let mut rows = Vec::new();
    for (name, work) in works {
        let [few, many] = [config_file(FEW), config_file(MANY)];
        let [few, many] = in_turn([(FEW, &few), (MANY, &many)], work)?;
        let measure = format!("{name} a config file of {MANY} profiles, per profile");
        rows.push(Row::new(measure, Unit::Seconds, many).ratio_to(format!("of {FEW} profiles"), few));
    }
    for (name, text) in HOSTILE {
        let [small, large] = [text(40), text(400)];
        let [small, large] = in_turn([(40, &small), (400, &large)], |text| {
            std::hint::black_box(resolve(&Document::parse(text), &EndpointVariables::default()));
            Ok(())
        })?;
        let measure = format!("read a config file of {name}, 400 KB, per KB");
        rows.push(Row::new(measure, Unit::Seconds, large).ratio_to("of 40 KB", small));
    }
    Ok(rows)
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

/// Does the work with both texts in turn, and returns the times divided by the numbers of their parts.
fn in_turn(texts: [(u32, &String); 2], work: fn(&str) -> Result<()>) -> Result<[Samples; 2]> {
    let mut samples = [Samples::default(), Samples::default()];
    for _ in 0..ROUNDS {
        for ((parts, text), samples) in texts.iter().zip(&mut samples) {
            let start = Instant::now();
            work(text)?;
            samples.push(start.elapsed().as_secs_f64() / f64::from(*parts));
        }
    }
    Ok(samples)
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
