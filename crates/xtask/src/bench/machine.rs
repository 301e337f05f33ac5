//! The machine on which the benchmark runs.

use std::fs;

/// Returns the machine's cores, CPU, kernel and memory, as far as Linux tells them.
pub(super) fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cpu = value_in("/proc/cpuinfo", "model name").unwrap_or_else(|| "an unknown CPU".into());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let memory = value_in("/proc/meminfo", "MemTotal")
        .and_then(|text| text.strip_suffix(" kB")?.parse::<f64>().ok())
        .map_or_else(|| "unknown".into(), |kb| format!("{:.1} GiB", kb / 1024.0 / 1024.0));
    format!("{cores} cores of {cpu}, Linux {}, {memory} of memory", kernel.trim())
}

/// Returns the first value with this name in a file with lines such as `name : value`.
fn value_in(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let value_of = |line: &str| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    };
    text.lines().find_map(value_of)
}

/// Returns today's date in UTC.
#[expect(clippy::disallowed_methods, reason = "the date of a run is the machine's")]
pub(super) fn today() -> String {
    jiff::Timestamp::now().strftime("%F").to_string()
}
