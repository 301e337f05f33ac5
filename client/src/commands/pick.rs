//! One of several, chosen by a person.

use dialoguer::FuzzySelect;
use dialoguer::theme::ColorfulTheme;

use super::Context;
use crate::failure::{Failure, Outcome};

/// Asks; where nobody can be asked, it is wrong usage, with the hint.
pub(crate) fn one(context: &Context, prompt: &str, choices: &[String], hint: &str) -> Outcome<String> {
    if !context.interactive {
        return Err(
            Failure::usage(format!("There are several to choose from: {}.", choices.join(", "))).hint(hint)
        );
    }
    let theme = ColorfulTheme::default();
    let chosen = FuzzySelect::with_theme(&theme).with_prompt(prompt).items(choices).default(0).interact()?;
    Ok(choices[chosen].clone())
}
