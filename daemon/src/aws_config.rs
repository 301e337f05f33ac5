//! The AWS config file as it is on disk now.

use std::io::{self, Read};
use std::path::Path;

use ssod_profiles::{Configuration, Document, Environment, resolve};

/// Real files of large organisations have some hundred kilobytes.
const CAP: u64 = 8 * 1024 * 1024;

/// What the file means, or why the last good state stays.
pub(crate) fn load(path: &Path, environment: &Environment) -> Result<Configuration, String> {
    let shown = path.display();
    let text = match read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Configuration::default());
        }
        Err(error) => return Err(format!("{shown} cannot be read: {error}. ssod keeps what it had")),
    };
    let document =
        Document::parse(&text).map_err(|broken| format!("{shown} {broken}. ssod keeps what it had"))?;
    Ok(resolve(&document, environment))
}

fn read(path: &Path) -> io::Result<String> {
    let file = std::fs::File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    let mut text = String::new();
    if file.take(CAP).read_to_string(&mut text)? as u64 == CAP {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is larger than 8 MiB"));
    }
    Ok(text)
}
