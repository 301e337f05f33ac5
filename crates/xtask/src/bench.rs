//! `cargo xtask bench`: measures speeds as ratios to a named baseline from the same run, in one table.

mod client;
mod config_file;
mod connections;
mod container;
mod fill;
mod imds;
mod load;
mod machine;
mod many_profiles;
mod median;
mod memory;
mod options;
mod process_costs;
mod rounds;
mod servers;
mod simulated;
mod stampede;
mod start;
mod table;
mod world;

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};

use self::options::Options;
use self::table::{Row, Table};
use crate::install::build_measured_programs;
use crate::workspace::{cargo, run as run_command};

#[derive(Args)]
pub(crate) struct Bench {
    /// The groups of rows to measure [default: all]
    groups: Vec<Group>,
    /// Measure for one second rather than three at a time, for a first impression.
    #[arg(long)]
    quick: bool,
    /// Also fetch ten thousand profiles with real processes, which takes nine minutes, and simulate ten times as many
    /// storms.
    #[arg(long)]
    long: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Rows that are measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Group {
    /// Requests for container credentials, beside bare hyper.
    Container,
    /// IMDSv2 exchanges, beside bare hyper.
    Imds,
    /// New connections, beside bare hyper, and the query for a caller's user.
    Connections,
    /// `ssod credential-process`, beside a program that does nothing.
    Client,
    /// The start of the daemon until the first credentials.
    Start,
    /// The daemon's memory.
    Memory,
    /// A thousand callers of an expired profile.
    Stampede,
    /// A config file of ten thousand profiles.
    ManyProfiles,
    /// Reading and converting config files, per profile.
    ConfigFile,
    /// Simulated storms, and the first fetch of many profiles, simulated and with real processes.
    Scale,
}

/// Names the folder of the programs that are measured.
const PROGRAMS_VARIABLE: &str = "SSOD_TEST_PROGRAMS";

/// Measures the groups, and prints the table.
///
/// It first builds the programs as they are installed, unless the variable names others.
pub(crate) fn run(bench: &Bench) -> Result<()> {
    let programs = std::env::var_os(PROGRAMS_VARIABLE).map(PathBuf::from);
    match programs {
        Some(_) if !cfg!(debug_assertions) => measure(bench),
        Some(programs) => run_optimised(&programs),
        None => run_optimised(&build_measured_programs()?),
    }
}

fn measure(bench: &Bench) -> Result<()> {
    let options = Options { quick: bench.quick, long: bench.long };
    let groups = if bench.groups.is_empty() { Group::value_variants() } else { &bench.groups };
    let mut table =
        Table { date: machine::today(), machine: machine::describe(), notes: vec![], rows: vec![] };
    for group in groups {
        eprintln!("measuring: {group:?}");
        table.rows.extend(group.rows(&options)?);
    }
    ensure!(!table.rows.is_empty(), "nothing was measured");
    if bench.json {
        println!("{:#}", table.json());
    } else {
        println!("\n{}", table.markdown());
    }
    Ok(())
}

impl Group {
    fn rows(self, options: &Options) -> Result<Vec<Row>> {
        match self {
            Self::Container => container::rows(options),
            Self::Imds => imds::rows(options),
            Self::Connections => {
                let mut rows = connections::rows(options)?;
                rows.extend(connections::caller_rows()?);
                Ok(rows)
            }
            Self::Client => client::rows(),
            Self::Start => start::rows(),
            Self::Memory => memory::rows(),
            Self::Stampede => stampede::rows(),
            Self::ManyProfiles => many_profiles::rows(),
            Self::ConfigFile => config_file::rows(),
            Self::Scale => {
                let mut rows = simulated::storm_rows(if options.long { 20_000 } else { 2_000 })?;
                rows.extend(simulated::scale_rows()?);
                rows.extend(fill::rows(if options.long { 10_000 } else { 1_000 })?);
                Ok(rows)
            }
        }
    }
}

/// Runs the same command with these programs in an optimised build, because the baseline is part of this program.
fn run_optimised(programs: &Path) -> Result<()> {
    let mut command = cargo(&["run", "--quiet", "--release", "--locked", "-p", "xtask", "--"]);
    command.args(std::env::args_os().skip(1)).env(PROGRAMS_VARIABLE, programs);
    run_command(&mut command)
}
