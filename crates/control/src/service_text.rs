//! Paths in the files of service managers.

use std::path::Path;

/// Returns the program as `ExecStart=` of a systemd unit names it (systemd.service(5)): in quotes if it has spaces or
/// other special characters, and with `%` doubled, because systemd expands it. systemd does not expand `$` in the
/// program's path. Returns `None` if systemd starts no program of that path: it accepts no quotes, backslashes and
/// control characters in it.
pub fn systemd_program(program: &Path) -> Option<String> {
    let is_refused = |character: char| matches!(character, '"' | '\'' | '\\') || character.is_control();
    let text = program.to_str().filter(|text| text.starts_with('/') && !text.contains(is_refused))?;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte));
    Some(if is_plain { text.to_owned() } else { format!("\"{}\"", text.replace('%', "%%")) })
}

/// Returns the path as the text of an element in a launchd plist; `None` if XML cannot contain it.
pub fn plist_path(path: &Path) -> Option<String> {
    let text = path.to_str().filter(|text| !text.contains(char::is_control))?;
    Some(text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_gets_the_program_as_one_word() {
        let written = |path: &str| systemd_program(Path::new(path));
        assert_eq!(written("/usr/bin/ssod-daemon").as_deref(), Some("/usr/bin/ssod-daemon"));
        assert_eq!(written("/home/a b/50%/$x;/d").as_deref(), Some("\"/home/a b/50%%/$x;/d\""));
        for refused in
            ["/home/\"/d", "/home/it's/d", "/home/\\/d", "/home/\n/d", "/home/\u{7f}/d", "relative/d"]
        {
            assert_eq!(written(refused), None, "{refused:?}");
        }
    }

    #[test]
    fn a_plist_gets_the_path_as_text() {
        let written = |path: &str| plist_path(Path::new(path));
        assert_eq!(written("/Users/a & b/<x>/d").as_deref(), Some("/Users/a &amp; b/&lt;x&gt;/d"));
        assert_eq!(written("/Users/\u{1}/d"), None);
    }
}
