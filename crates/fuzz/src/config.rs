//! The AWS config file and `config.toml`.

use ssod_daemon::Settings;
use ssod_profiles::{Document, EndpointVariables, Section, SharedFiles, remove_keys, resolve, set_keys};

/// Checks that any file is parsed, that a setting that is written can be read, and that no other byte is lost.
pub(crate) fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // A mistake in a file is an error, never a panic.
    if let Err(mistake) = Settings::parse(&text) {
        let described = format!("{} {}", mistake.message, mistake.remedy());
        assert!((1..=text.split('\n').count()).contains(&mistake.line), "{mistake:?}");
        assert!(!described.chars().any(char::is_control), "{mistake:?}");
    }
    let document = Document::parse(&text);
    let files = SharedFiles::read(&document, &document);
    for profile in files.profiles() {
        let _ = files.is_served_by_ssod(profile);
    }
    let environment = EndpointVariables::from_variables(|_| None);
    let before = resolve(&document, &environment);
    for problem in &before.problems {
        assert!(!problem.to_string().chars().any(char::is_control), "{problem:?}");
    }
    for profile in before.profiles.values() {
        assert!(before.sessions.contains_key(&profile.session), "a profile without its session: {profile:?}");
    }
    let section = Section::Profile("ssod-fuzz-profile".to_owned());
    if document.has(&section) {
        return;
    }
    let entries = [("region", "eu-west-1".to_owned())];
    let written = set_keys(&text, &section, &entries).unwrap();
    let original = text.trim_end_matches(['\n', '\r']);
    assert!(written.starts_with(original), "a byte of the original was lost");
    let again = Document::parse(&written);
    assert!(again.has(&section));
    assert_eq!(resolve(&again, &environment).sessions, before.sessions);
    assert_eq!(set_keys(&written, &section, &entries).unwrap(), written, "a second write changes the file");
    let removed = remove_keys(&written, &section, &["region"]).unwrap();
    assert_eq!(resolve(&Document::parse(&removed), &environment).sessions, before.sessions);
}
