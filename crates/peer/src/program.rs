//! The program behind a process id.

/// The name of the program that runs as this process, or `None` where it cannot be told. Best effort: the
/// process may have ended, and its id may be another's by now.
pub fn program_of(pid: u32) -> Option<String> {
    let path = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    let mut name = path.file_name()?.to_string_lossy().into_owned();
    // The AWS CLI and most of its like are scripts: their own name says more than their interpreter's.
    if name.starts_with("python") || name.starts_with("node") || name.starts_with("ruby") {
        name = script_of(pid).unwrap_or(name);
    }
    Some(name.chars().filter(|character| !character.is_control()).take(64).collect())
}

fn script_of(pid: u32) -> Option<String> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let mut words = line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
    let script = words.nth(1).filter(|word| !word.is_empty() && !word.starts_with('-'))?;
    script.rsplit('/').next().map(str::to_owned)
}

/// The process that started this one; it tells which tool runs a helper.
pub fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name stands in parentheses and may contain anything, so the last one counts.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn this_test_knows_itself_and_nobody_else() {
        assert!(program_of(std::process::id()).is_some_and(|name| name.starts_with("ssod_peer")));
        assert_eq!(program_of(u32::MAX), None);
        assert_eq!(parent_of(std::process::id()), Some(std::os::unix::process::parent_id()));
    }
}
