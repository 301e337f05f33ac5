//! What the client itself reads from `config.toml`. A command that the client runs comes only from there, and never
//! from an answer over the socket, and only if no other user can change the file.

use std::path::Path;

use ssod_control::Paths;
use ssod_private_files::{FileError, read_trusted};
use toml::{Table, Value};

use crate::error::{CommandError, CommandResult};

/// Returns the command that opens the browser; empty for the system's browser.
pub(crate) fn browser(paths: &Paths) -> CommandResult<String> {
    let text = read(&paths.settings, &paths.home)?;
    browser_in(&text).map_err(|reason| {
        CommandError::new(format!("Cannot find your browser: {} {reason}.", paths.settings.display()))
            .hint("ssod status shows the line to fix. To sign in without that setting, add --no-browser or --device-code")
    })
}

/// Returns the setting `browser` under `[login]`. The error continues the file's name.
fn browser_in(text: &str) -> Result<String, &'static str> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let settings: Table = text.parse().map_err(|_| "is malformed")?;
    match settings.get("login").and_then(|login| login.get("browser")) {
        None => Ok(String::new()),
        Some(Value::String(command)) => Ok(command.clone()),
        Some(_) => Err("has a browser under [login] that is not a text"),
    }
}

/// Reads the settings file. Returns an empty text if it is missing, and fails if other users can change it.
pub(crate) fn read(path: &Path, home: &Path) -> CommandResult<String> {
    let shown = path.display();
    match read_trusted(path, home) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|_| {
            CommandError::new(format!("{shown} is not text in UTF-8.")).hint("Save it as UTF-8 text")
        }),
        Err(FileError::NotFound) => Ok(String::new()),
        Err(FileError::Exposed(exposure)) => {
            Err(CommandError::new(format!("{shown} is not used, because {exposure}."))
                .hint(format!("Read the file, and if every line in it is yours, run: {}", exposure.remedy())))
        }
        Err(error) => Err(CommandError::new(format!("Cannot read {shown}: {error}."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_browser_is_found_in_every_form_of_toml() {
        for (text, command) in [
            ("", ""),
            ("[endpoint]\nport = 1\n", ""),
            ("[login]\nflow = \"auto\"\n", ""),
            ("[login]\nbrowser = 'firefox {url}'\n", "firefox {url}"),
            ("login.browser = \"x\"\n", "x"),
            ("\u{feff}login = { browser = \"x\" }\n", "x"),
        ] {
            assert_eq!(browser_in(text).as_deref(), Ok(command), "{text:?}");
        }
        for text in ["[login]\nbrowser = 3\n", "[login]\nbrowser = [\"x\"]\n", "[login\n"] {
            assert!(browser_in(text).is_err(), "{text:?}");
        }
    }
}
