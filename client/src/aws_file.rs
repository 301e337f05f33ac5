//! The AWS config file on disk: read whole, replaced whole, through symlinks, never replacing the link.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use atomic_write_file::AtomicWriteFile;
use atomic_write_file::unix::OpenOptionsExt;
use ssod_profiles::{Broken, Configuration, Document, Environment, resolve};

use crate::failure::{Failure, Outcome};

/// The file's text; a missing file is an empty one.
pub(crate) fn read(path: &Path) -> Outcome<String> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(Failure::new(format!("Cannot read {}: {error}.", path.display()))),
    }
}

/// What the text means, with the endpoint overrides of this shell.
pub(crate) fn resolved(path: &Path, text: &str) -> Outcome<Configuration> {
    let environment = Environment::from_variables(|name| std::env::var(name).ok());
    let document = Document::parse(text).map_err(|error| broken(path, &error))?;
    Ok(resolve(&document, &environment))
}

/// A file that no AWS tool can read is mended by its owner, not by us.
pub(crate) fn broken(path: &Path, error: &Broken) -> Failure {
    Failure::new(format!("{} cannot be understood: {error}.", path.display()))
        .hint("Mend that line, then try again")
}

/// Replaces the file's text, atomically; its mode stays, a new file gets 0600.
pub(crate) fn write(path: &Path, text: &str) -> Outcome<()> {
    let target = through_links(path)?;
    let replace = || {
        if let Some(folder) = target.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let mut file = AtomicWriteFile::options().preserve_mode(true).mode(0o600).open(&target)?;
        file.write_all(text.as_bytes())?;
        file.commit()
    };
    replace().map_err(|error: io::Error| Failure::new(format!("Cannot write {}: {error}.", target.display())))
}

/// Where the last link leads, whether or not there is a file yet.
fn through_links(path: &Path) -> Outcome<PathBuf> {
    let mut target = path.to_owned();
    // As many as the kernel follows.
    for _ in 0..40 {
        match fs::read_link(&target) {
            Ok(next) => target = target.parent().unwrap_or(Path::new("/")).join(next),
            Err(_) => return Ok(target),
        }
    }
    Err(Failure::new(format!("{} is a symlink that leads in a circle.", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_links_even_dangling_ones() {
        let home = std::env::temp_dir().join(format!("ssod-aws-file-{}", std::process::id()));
        fs::create_dir_all(home.join("dotfiles")).unwrap();
        let link = home.join("config");
        std::os::unix::fs::symlink("dotfiles/aws", &link).unwrap();
        write(&link, "[default]\n").unwrap();
        write(&link, "[profile a]\n").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(home.join("dotfiles/aws")).unwrap(), "[profile a]\n");
        fs::remove_dir_all(home).unwrap();
    }
}
