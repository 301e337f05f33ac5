//! Searches text and files for secrets.

use std::fs;
use std::path::{Path, PathBuf};

/// The prefixes of the fake's secrets. Hexadecimal digits follow.
const PREFIXES: [&str; 7] =
    ["access-", "refresh-", "client-secret-", "code-", "secret-", "session-alice-", "session-bob-"];
/// Copies of ssod's own programs, which are large, and in which unrelated constants can be beside each other.
const PROGRAMS: [&str; 2] = ["bin/ssod", "bin/ssod-daemon"];
/// The folders in which AWS's own tools store secrets in the clear.
const FOLDERS_OF_AWS_TOOLS: [&str; 3] = [".aws/sso/cache", ".aws/cli/cache", ".aws/boto/cache"];

/// Returns the prefixes of the fake's secrets that the text contains.
pub fn secrets_in(text: &[u8]) -> Vec<&'static str> {
    let contains = |prefix: &&str| {
        let mut rest = text;
        while let Some(at) = rest.windows(prefix.len()).position(|window| window == prefix.as_bytes()) {
            rest = &rest[at + prefix.len()..];
            // A role's name may be between the prefix and the digits.
            let digits = rest.iter().skip_while(|byte| byte.is_ascii_alphabetic() || **byte == b'-');
            if digits.take_while(|byte| byte.is_ascii_hexdigit()).count() >= 12
                || rest.iter().take_while(|byte| byte.is_ascii_hexdigit()).count() >= 16
            {
                return true;
            }
        }
        false
    };
    PREFIXES.into_iter().filter(contains).collect()
}

/// Returns every file below the folder.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries
        .flat_map(|path| {
            let is_folder = path.symlink_metadata().is_ok_and(|facts| facts.is_dir());
            if is_folder { files_below(&path) } else { vec![path] }
        })
        .collect()
}

/// Fails if a file below the home folder contains a secret in the clear.
pub fn assert_no_secrets(home: &Path) {
    for path in files_below(home) {
        let is_file = path.symlink_metadata().is_ok_and(|facts| facts.is_file());
        let is_program = PROGRAMS.iter().any(|program| path == home.join(program));
        if !is_file
            || is_program
            || FOLDERS_OF_AWS_TOOLS.iter().any(|folder| path.starts_with(home.join(folder)))
        {
            continue;
        }
        let found = secrets_in(&fs::read(&path).unwrap_or_default());
        assert!(found.is_empty(), "{} contains secrets in the clear: {found:?}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_secrets_that_the_fake_issues() {
        assert_eq!(secrets_in(b"x access-0123456789abcdef0 y"), ["access-"]);
        assert_eq!(secrets_in(b"session-alice-AdminRole-0123456789abcdef0"), ["session-alice-"]);
        assert!(secrets_in(b"access-token client-secret-0123 code-of-conduct").is_empty());
    }
}
