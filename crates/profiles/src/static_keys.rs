//! Finds access keys in a file, because every AWS tool prefers them to other sources of credentials.

use crate::document::LineKind;
use crate::{Document, ParseError, Section};

/// Returns the names of the profiles that have an access key of their own, in the AWS config file or the credentials
/// file (whose sections have no `profile` before the name).
pub fn profiles_with_static_keys(text: &str) -> Result<Vec<String>, ParseError> {
    let mut names = Vec::new();
    let mut section = String::new();
    for line in Document::parse(text)?.lines {
        match line.kind {
            LineKind::Header { section: Section::Profile(name) | Section::Other(name), .. } => {
                section = name;
            }
            LineKind::Header { .. } => section.clear(),
            LineKind::Setting(setting) if setting.key == "aws_access_key_id" && !section.is_empty() => {
                names.push(section.clone());
            }
            _ => {}
        }
    }
    names.dedup();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_access_keys_in_both_files() {
        let credentials =
            "[default]\naws_access_key_id = AKIA\naws_secret_access_key = x\n[other]\nregion = eu-west-1\n";
        assert_eq!(profiles_with_static_keys(credentials).unwrap(), ["default"]);
        let config = "[profile old]\naws_access_key_id=AKIA\n[sso-session s]\naws_access_key_id=no\n";
        assert_eq!(profiles_with_static_keys(config).unwrap(), ["old"]);
        assert!(profiles_with_static_keys("no section").is_err());
    }
}
