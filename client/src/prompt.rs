//! Questions to a person. What was typed before a question was asked is no answer to it, and Ctrl-C leaves the terminal
//! as it was.

use std::fmt::Display;
use std::sync::Once;

use console::Term;
use dialoguer::theme::ColorfulTheme;
use dialoguer::{Confirm, FuzzySelect, Input};
use rustix::termios::{QueueSelector, tcflush};

use crate::failure::{Failure, Outcome};

/// A text; what `check` refuses is said, and asked again.
pub(crate) fn text<E: Display>(
    question: &str,
    offered: Option<String>,
    check: impl Fn(&str) -> Result<(), E>,
) -> Outcome<String> {
    ready();
    let theme = ColorfulTheme::default();
    let mut input = Input::<String>::with_theme(&theme).with_prompt(question);
    if let Some(offered) = offered {
        input = input.default(offered);
    }
    let input =
        input.validate_with(|answer: &String| check(answer.trim()).map_err(|error| error.to_string()));
    Ok(input.interact_text()?.trim().to_owned())
}

/// Yes or no.
pub(crate) fn yes(question: &str, offered: bool) -> Outcome<bool> {
    ready();
    Ok(Confirm::with_theme(&ColorfulTheme::default()).with_prompt(question).default(offered).interact()?)
}

/// The place of one of several; Esc gives up.
pub(crate) fn choice(question: &str, choices: &[String]) -> Outcome<usize> {
    ready();
    let theme = ColorfulTheme::default();
    let question = format!("{question} (type to search)");
    let select = FuzzySelect::with_theme(&theme).with_prompt(question).items(choices).default(0);
    select.interact_opt()?.ok_or_else(|| Failure::new("Nothing was chosen."))
}

fn ready() {
    static HANDLER: Once = Once::new();
    HANDLER.call_once(|| {
        // Where it cannot be set, Ctrl-C ends the program all the same, with the cursor hidden.
        let _ = ctrlc::set_handler(|| {
            let _ = Term::stderr().show_cursor();
            #[expect(clippy::exit, reason = "what Ctrl-C means")]
            std::process::exit(130);
        });
    });
    // Without a terminal there is nothing to forget.
    let _ = tcflush(std::io::stdin(), QueueSelector::IFlush);
}
