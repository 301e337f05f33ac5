//! Searching for secrets where none may be.

use std::fs;
use std::path::{Path, PathBuf};

/// How the fake's secrets begin; each goes on with hexadecimal digits.
const KINDS: [&str; 7] =
    ["access-", "refresh-", "client-secret-", "code-", "secret-", "session-alice-", "session-bob-"];
/// Where the AWS tools themselves keep secrets in the clear.
const OF_OTHERS: [&str; 3] = [".aws/sso/cache", ".aws/cli/cache", ".aws/boto/cache"];

/// The kinds of secrets of Identity Center that the text holds.
pub fn secrets_in(text: &[u8]) -> Vec<&'static str> {
    let holds = |kind: &&str| {
        let mut rest = text;
        while let Some(at) = rest.windows(kind.len()).position(|window| window == kind.as_bytes()) {
            rest = &rest[at + kind.len()..];
            // Names stand between the kind and the digits.
            let digits = rest.iter().skip_while(|byte| byte.is_ascii_alphabetic() || **byte == b'-');
            if digits.take_while(|byte| byte.is_ascii_hexdigit()).count() >= 12
                || rest.iter().take_while(|byte| byte.is_ascii_hexdigit()).count() >= 16
            {
                return true;
            }
        }
        false
    };
    KINDS.into_iter().filter(|kind| holds(kind)).collect()
}

/// Every file below the folder.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries
        .flat_map(|path| {
            let is_folder = path.symlink_metadata().is_ok_and(|facts| facts.is_dir());
            if is_folder { files_below(&path) } else { vec![path] }
        })
        .collect()
}

/// Fails where a file below the home holds a secret in the clear.
pub fn assert_none(home: &Path) {
    for path in files_below(home) {
        let is_file = path.symlink_metadata().is_ok_and(|facts| facts.is_file());
        if !is_file || OF_OTHERS.iter().any(|place| path.starts_with(home.join(place))) {
            continue;
        }
        let found = secrets_in(&fs::read(&path).unwrap_or_default());
        assert!(found.is_empty(), "{} holds secrets in the clear: {found:?}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_finds_what_the_fake_makes() {
        assert_eq!(secrets_in(b"x access-0123456789abcdef0 y"), ["access-"]);
        assert_eq!(secrets_in(b"session-alice-AdminRole-0123456789abcdef0"), ["session-alice-"]);
        assert!(secrets_in(b"access-token client-secret-0123 code-of-conduct").is_empty());
    }
}
