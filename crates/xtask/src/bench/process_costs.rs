//! What a running process has used, from /proc. Root may also read these files of a process that hides its memory.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// The CPU time and the context switches of all threads of a process, since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Costs {
    pub(super) cpu: Duration,
    /// How often a thread waited, or was interrupted for another one.
    pub(super) context_switches: u64,
}

impl Costs {
    /// Returns what the process has used so far. A thread that has ended no longer counts, so between two calls no
    /// thread that works may end.
    pub(super) fn of(pid: u32) -> Result<Self> {
        let mut sum = Self::default();
        for thread in fs::read_dir(format!("/proc/{pid}/task")).context("the process has ended")? {
            let folder = thread?.path();
            let read = |name: &str| fs::read_to_string(folder.join(name));
            // A thread can end between the listing and the reading.
            let (Ok(schedstat), Ok(status)) = (read("schedstat"), read("status")) else { continue };
            sum.cpu += Duration::from_nanos(run_time(&schedstat).context("/proc has no schedstat")?);
            sum.context_switches += context_switches(&status);
        }
        Ok(sum)
    }

    /// Returns what was used since then.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            context_switches: self.context_switches.saturating_sub(earlier.context_switches),
        }
    }
}

/// Returns the nanoseconds on a CPU, the first number of the file `schedstat`.
fn run_time(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

/// Returns the sum of the two lines of the file `status`.
fn context_switches(status: &str) -> u64 {
    let count = |line: &str| {
        let (name, count) = line.split_once(':')?;
        name.ends_with("voluntary_ctxt_switches").then(|| count.trim().parse::<u64>().ok()).flatten()
    };
    status.lines().filter_map(count).sum()
}

/// Returns the resident memory of a process, in bytes.
pub(super) fn resident_bytes(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("the process has ended")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no resident memory")?;
    let kb: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kb * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_costs_of_a_process_grow_as_it_works() {
        let own = std::process::id();
        let before = Costs::of(own).unwrap();
        let started = std::time::Instant::now();
        while started.elapsed() < Duration::from_millis(20) {
            std::hint::spin_loop();
        }
        assert!(Costs::of(own).unwrap().since(before).cpu > Duration::ZERO);
        assert!(resident_bytes(own).unwrap() > 1e5);
    }

    #[test]
    fn both_kinds_of_context_switches_count() {
        let status = "Threads:\t1\nvoluntary_ctxt_switches:\t150\nnonvoluntary_ctxt_switches:\t7\n";
        assert_eq!(context_switches(status), 157);
        assert_eq!(run_time("76303 12 1\n"), Some(76_303));
    }
}
