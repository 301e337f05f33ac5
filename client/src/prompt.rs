//! Asks the user questions. Discards input that was typed before a question, and restores the terminal after Ctrl-C.

use std::fmt::Display;
use std::io::ErrorKind;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use console::Term;
use dialoguer::theme::ColorfulTheme;
use dialoguer::{Confirm, FuzzySelect, Input};
use rustix::termios::{QueueSelector, tcflush};

use crate::error::{CommandError, CommandResult};
use crate::terminal::one_line;

/// Asks for a text until `check` accepts it, and shows each error of `check`.
pub(crate) fn text<E: Display>(
    question: &str,
    default: Option<String>,
    check: impl Fn(&str) -> Result<(), E>,
) -> CommandResult<String> {
    let theme = ColorfulTheme::default();
    let mut input = Input::<String>::with_theme(&theme).with_prompt(one_line(question));
    // A default that could control the terminal is not offered, because the answer would be another text.
    if let Some(default) = default.filter(|default| one_line(default) == *default) {
        input = input.default(default);
    }
    let input = input
        .validate_with(|answer: &String| check(answer.trim()).map_err(|error| one_line(&error.to_string())));
    ask(|| input.interact_text()).map(|answer| answer.trim().to_owned())
}

/// Asks for yes or no.
pub(crate) fn yes(question: &str, default: bool) -> CommandResult<bool> {
    let question = one_line(question);
    ask(|| Confirm::with_theme(&ColorfulTheme::default()).with_prompt(question).default(default).interact())
}

/// Asks for yes or no without a default, for a decision that must not be made by pressing Enter.
pub(crate) fn explicit_yes(question: &str) -> CommandResult<bool> {
    let question = one_line(question);
    ask(|| Confirm::with_theme(&ColorfulTheme::default()).with_prompt(question).interact())
}

/// Lets the user choose one of several and returns its index; Esc cancels.
pub(crate) fn choice(question: &str, choices: &[String]) -> CommandResult<usize> {
    let theme = ColorfulTheme::default();
    let question = format!("{} (type to search)", one_line(question));
    let choices: Vec<String> = choices.iter().map(|choice| one_line(choice)).collect();
    let select = FuzzySelect::with_theme(&theme).with_prompt(question).items(&choices).default(0);
    ask(|| select.interact_opt())?.ok_or_else(|| CommandError::new("You chose nothing."))
}

/// Whether a question is shown. While it is, the question reads Ctrl-C as a key and returns an error; otherwise Ctrl-C
/// ends the process.
static QUESTION_OPEN: AtomicBool = AtomicBool::new(false);

fn ask<T>(question: impl FnOnce() -> dialoguer::Result<T>) -> CommandResult<T> {
    static HANDLER: Once = Once::new();
    HANDLER.call_once(|| {
        // Without the handler, Ctrl-C still ends the process, but leaves the cursor hidden.
        let _ = ctrlc::set_handler(|| {
            if !QUESTION_OPEN.load(Ordering::SeqCst) {
                #[expect(clippy::exit, reason = "Ctrl-C ends the process")]
                std::process::exit(130);
            }
        });
    });
    // Discards earlier input. Without a terminal this fails, but then there is no earlier input either.
    let _ = tcflush(std::io::stdin(), QueueSelector::IFlush);
    QUESTION_OPEN.store(true, Ordering::SeqCst);
    let answer = question();
    QUESTION_OPEN.store(false, Ordering::SeqCst);
    match answer {
        Err(dialoguer::Error::IO(error)) if error.kind() == ErrorKind::Interrupted => {
            let terminal = Term::stderr();
            // If the terminal is gone, the error cannot be reported anywhere.
            let _ = terminal.show_cursor().and_then(|()| terminal.write_line(""));
            Err(CommandError::interrupted())
        }
        answer => Ok(answer?),
    }
}
