//! Paths as users write them in variables and settings.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use directories::BaseDirs;
use thiserror::Error;

/// A path that cannot be resolved.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UserPathError {
    /// The user has no home folder.
    #[error("cannot find your home folder; set HOME")]
    NoHome,
    /// `~NAME/…`.
    #[error("{0} names another user's home folder; write the whole path")]
    OtherHome(String),
    /// A relative path, but the current folder has been deleted.
    #[error("{0} is relative, but the current folder does not exist; write the whole path")]
    NoCurrentFolder(String),
}

/// Returns the absolute path that the user means. `$NAME`, `${NAME}` and a leading `~` are replaced as botocore does it
/// (Python's `os.path.expandvars`, then `expanduser`). A relative path begins at `current`, which is `None` if the
/// current folder has been deleted.
pub fn resolve_user_path(written: &OsStr, current: Option<&Path>) -> Result<PathBuf, UserPathError> {
    let base = BaseDirs::new().ok_or(UserPathError::NoHome)?;
    let variable = |name: &str| std::env::var_os(name);
    PathBase { home: base.home_dir(), current, variable: &variable }.resolve(written)
}

/// Where relative paths and `~` begin, and the variables.
struct PathBase<'a> {
    home: &'a Path,
    current: Option<&'a Path>,
    variable: &'a dyn Fn(&str) -> Option<OsString>,
}

impl PathBase<'_> {
    fn resolve(&self, written: &OsStr) -> Result<PathBuf, UserPathError> {
        // Only a path in UTF-8 can have a reference that needs to be replaced.
        let Some(text) = written.to_str() else { return self.absolute(Path::new(written)) };
        let expanded = self.expand_variables(text);
        let path = Path::new(&expanded);
        let first = path.components().next().map(|component| component.as_os_str().to_owned());
        match first.as_deref().and_then(OsStr::to_str) {
            Some("~") => Ok(self.home.join(path.strip_prefix("~").unwrap_or(path))),
            Some(name) if name.starts_with('~') => Err(UserPathError::OtherHome(text.to_owned())),
            _ => self.absolute(path),
        }
    }

    fn absolute(&self, path: &Path) -> Result<PathBuf, UserPathError> {
        match self.current {
            _ if path.is_absolute() => Ok(path.to_owned()),
            Some(current) => Ok(current.join(path)),
            None => Err(UserPathError::NoCurrentFolder(path.display().to_string())),
        }
    }

    /// A variable that is not set stays as it is written.
    fn expand_variables(&self, text: &str) -> OsString {
        let mut expanded = OsString::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            let (before, reference) = rest.split_at(at);
            expanded.push(before);
            let (name, length) = name_of(reference);
            match name.and_then(|name| (self.variable)(name)) {
                Some(value) => expanded.push(value),
                None => expanded.push(&reference[..length]),
            }
            rest = &reference[length..];
        }
        expanded.push(rest);
        expanded
    }
}

/// Returns the name in a reference that begins with `$`, and the length of the reference. Without a name, the reference
/// is the `$` alone.
fn name_of(reference: &str) -> (Option<&str>, usize) {
    let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let after = &reference[1..];
    if let Some((name, _)) = after.strip_prefix('{').and_then(|inside| inside.split_once('}')) {
        return (Some(name), name.len() + 3);
    }
    let end = after.find(|character| !is_word(character)).unwrap_or(after.len());
    if end == 0 { (None, 1) } else { (Some(&after[..end]), end + 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(written: &str) -> Result<PathBuf, UserPathError> {
        resolve_in(Some(Path::new("/work")), written)
    }

    fn resolve_in(current: Option<&Path>, written: &str) -> Result<PathBuf, UserPathError> {
        let variable = |name: &str| match name {
            "HOME" => Some("/home/alice".into()),
            "X_1" => Some("x y".into()),
            "EMPTY" => Some("".into()),
            _ => None,
        };
        let base = PathBase { home: Path::new("/home/alice"), current, variable: &variable };
        base.resolve(OsStr::new(written))
    }

    /// The expected values are what Python returns: `expanduser(expandvars(path))`, made absolute.
    #[test]
    fn paths_are_resolved_as_botocore_does() {
        for (written, expected) in [
            ("/a/b", "/a/b"),
            ("a/b", "/work/a/b"),
            ("~/x", "/home/alice/x"),
            ("~", "/home/alice"),
            ("$HOME/x", "/home/alice/x"),
            ("${HOME}/x", "/home/alice/x"),
            ("${X_1}/$X_1-z", "/work/x y/x y-z"),
            ("$EMPTY/x", "/x"),
            ("/a/$UNKNOWN/${UNKNOWN}", "/a/$UNKNOWN/${UNKNOWN}"),
            ("/a/$", "/a/$"),
            ("/a/$/b", "/a/$/b"),
            ("/a/${HOME", "/a/${HOME"),
            ("/a/~/b", "/a/~/b"),
            ("/ä/$HOMEä", "/ä/home/aliceä"),
        ] {
            assert_eq!(resolve(written).as_deref(), Ok(Path::new(expected)), "{written}");
        }
    }

    #[test]
    fn another_users_home_folder_is_not_guessed() {
        let error = resolve("~bob/x").unwrap_err().to_string();
        assert_eq!(error, "~bob/x names another user's home folder; write the whole path");
    }

    #[test]
    fn a_relative_path_needs_a_current_folder() {
        assert_eq!(resolve_in(None, "~/x").as_deref(), Ok(Path::new("/home/alice/x")));
        assert_eq!(resolve_in(None, "a/x"), Err(UserPathError::NoCurrentFolder("a/x".to_owned())));
    }

    proptest::proptest! {
        #[test]
        fn every_text_becomes_an_absolute_path_or_an_error(text in "[$~{}a-zH/ä]{0,20}") {
            if let Ok(path) = resolve(&text) {
                proptest::prop_assert!(path.is_absolute());
            }
        }
    }
}
