//! The shells: which one runs ssod, and how it sets and unsets variables.

use clap::ValueEnum;
use serde_json::{Map, Value};

use crate::quoting::{quote_fish, quote_powershell, quote_sh};
use crate::variables::Variables;

/// The syntax of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Sh,
    Bash,
    Zsh,
    Fish,
    Powershell,
    /// A JSON object of all variables; null means that the variable must be unset.
    Json,
}

impl Shell {
    /// Returns the shell that runs ssod.
    pub(crate) fn of_caller() -> Self {
        detect(parent().as_deref(), std::env::var("SHELL").ok().as_deref())
    }

    /// Returns lines for the shell to evaluate, or one JSON object. The last line succeeds only if every variable was
    /// set and unset, so `eval "$(ssod env NAME)" && CMD` does not run CMD with another identity.
    pub(crate) fn render(self, variables: &Variables) -> String {
        match self {
            Self::Sh | Self::Bash | Self::Zsh => render_sh(variables),
            Self::Fish => render_fish(variables),
            Self::Powershell => render_powershell(variables),
            Self::Json => render_json(variables),
        }
    }

    /// Returns lines that apply the variables and then make the shell's command fail. A JSON object cannot fail; its
    /// reader has the exit status.
    pub(crate) fn render_failure(self, variables: &Variables) -> String {
        let lines = self.render(variables);
        match self {
            Self::Sh | Self::Bash | Self::Zsh | Self::Fish => format!("{lines}false\n"),
            Self::Powershell => format!("{lines}throw 'ssod env failed'\n"),
            Self::Json => lines,
        }
    }
}

/// A variable that the user has made readonly cannot be changed; then the remaining commands do not run, and the
/// shell's command fails.
fn render_sh(variables: &Variables) -> String {
    let unset = format!("unset {}", variables.unset.join(" "));
    let set = variables.set.iter().map(|(name, value)| format!("export {name}={}", quote_sh(value)));
    let commands: Vec<String> = std::iter::once(unset).chain(set).collect();
    format!("{}\n", commands.join(" &&\n"))
}

/// Only the global variable is erased. A universal one of the same name belongs to every fish of this user and is kept,
/// but then the shell's command fails.
fn render_fish(variables: &Variables) -> String {
    let unset = variables.unset.iter().map(|name| format!("set -eg {name};\n"));
    let set = variables.set.iter().map(|(name, value)| format!("set -gx {name} {};\n", quote_fish(value)));
    let check = format!(
        "set -g __ssod_left; for name in {}; set -qx $name; and set -a __ssod_left $name; end;\n\
         if test (count $__ssod_left) -gt 0; echo \"error: these universal variables override ssod; erase them with set -eU: $__ssod_left\" >&2; false; else; true; end;\n",
        variables.unset.join(" ")
    );
    unset.chain(set).chain([check]).collect()
}

fn render_powershell(variables: &Variables) -> String {
    let unset =
        variables.unset.iter().map(|name| format!("Remove-Item Env:{name} -ErrorAction SilentlyContinue\n"));
    let set =
        variables.set.iter().map(|(name, value)| format!("$Env:{name} = {}\n", quote_powershell(value)));
    unset.chain(set).collect()
}

fn render_json(variables: &Variables) -> String {
    let unset = variables.unset.iter().map(|name| ((*name).to_owned(), Value::Null));
    let set = variables.set.iter().map(|(name, value)| ((*name).to_owned(), Value::String(value.clone())));
    let object: Map<_, _> = unset.chain(set).collect();
    format!("{}\n", Value::Object(object))
}

/// Returns the shell that runs ssod, else the one in SHELL, else sh. The parent counts first, because scripts often run
/// in a shell other than the user's login shell.
fn detect(parent: Option<&str>, shell: Option<&str>) -> Shell {
    let named = |name: &str| match name.rsplit('/').next().unwrap_or_default().trim_start_matches('-') {
        "fish" => Some(Shell::Fish),
        "zsh" => Some(Shell::Zsh),
        "bash" => Some(Shell::Bash),
        "pwsh" | "powershell" => Some(Shell::Powershell),
        "sh" | "dash" | "ash" | "ksh" => Some(Shell::Sh),
        _ => None,
    };
    parent.and_then(named).or_else(|| shell.and_then(named)).unwrap_or(Shell::Sh)
}

/// Returns the name of the program that started ssod, where /proc has it.
fn parent() -> Option<String> {
    let name = std::fs::read_to_string(format!("/proc/{}/comm", std::os::unix::process::parent_id())).ok()?;
    Some(name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::precedence::Selection;
    use crate::variables::tests::container;

    #[test]
    fn each_shell_gets_its_own_syntax() {
        let variables = Variables::new(&container(), &Selection::Endpoint, |_| None);
        let sh = Shell::Sh.render(&variables);
        assert!(sh.starts_with("unset AWS_ACCESS_KEY_ID "));
        assert!(sh.contains(
            "export AWS_CONTAINER_CREDENTIALS_FULL_URI='http://127.0.0.1:7746/credentials/it'\\''s%20a' &&\n"
        ));
        assert!(Shell::Fish.render(&variables).contains("set -gx AWS_REGION 'us-east-1';\n"));
        assert!(Shell::Powershell.render(&variables).contains("credentials/it''s%20a'\n"));
        let json: Value = serde_json::from_str(&Shell::Json.render(&variables)).unwrap();
        assert_eq!(json["AWS_PROFILE"], Value::Null);
        assert_eq!(json["AWS_CONTAINER_AUTHORIZATION_TOKEN"], "tok");
    }

    #[test]
    fn a_failure_unsets_the_identity_and_fails_in_each_shell() {
        let variables = Variables::without_identity(|_| None);
        for shell in [Shell::Sh, Shell::Bash, Shell::Zsh] {
            let lines = shell.render_failure(&variables);
            assert!(lines.starts_with("unset "), "{lines}");
            assert!(lines.contains(" AWS_PROFILE "), "{lines}");
            assert!(lines.ends_with("\nfalse\n"), "{lines}");
        }
        let fish = Shell::Fish.render_failure(&variables);
        assert!(fish.contains("set -eg AWS_PROFILE;\n") && fish.ends_with("\nfalse\n"), "{fish}");
        let powershell = Shell::Powershell.render_failure(&variables);
        assert!(powershell.contains("Remove-Item Env:AWS_PROFILE "), "{powershell}");
        assert!(powershell.ends_with("throw 'ssod env failed'\n"), "{powershell}");
        let json: Value = serde_json::from_str(&Shell::Json.render_failure(&variables)).unwrap();
        assert_eq!(json["AWS_PROFILE"], Value::Null);
    }

    #[test]
    fn the_parent_shell_has_precedence_over_the_login_shell() {
        assert_eq!(detect(Some("bash"), Some("/usr/bin/fish")), Shell::Bash);
        assert_eq!(detect(Some("make"), Some("/usr/bin/fish")), Shell::Fish);
        assert_eq!(detect(Some("-zsh"), None), Shell::Zsh);
        assert_eq!(detect(None, None), Shell::Sh);
    }
}
