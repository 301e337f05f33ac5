//! The program behind a process id.

/// The name of the program that runs as this process, or `None` where it cannot be told. Best effort: the
/// process may have ended, and its id may be another's by now.
pub fn program_of(pid: u32) -> Option<String> {
    let path = std::fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    let name = path.file_name()?.to_string_lossy();
    Some(name.chars().filter(|character| !character.is_control()).take(64).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn this_test_knows_itself_and_nobody_else() {
        assert!(program_of(std::process::id()).is_some_and(|name| name.starts_with("ssod_peer")));
        assert_eq!(program_of(u32::MAX), None);
    }
}
