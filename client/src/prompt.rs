//! Questions to a person. What was typed before a question was asked is no answer to it, and Ctrl-C leaves the terminal
//! as it was.

use std::fmt::Display;
use std::io::ErrorKind;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

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
    let theme = ColorfulTheme::default();
    let mut input = Input::<String>::with_theme(&theme).with_prompt(question);
    if let Some(offered) = offered {
        input = input.default(offered);
    }
    let input =
        input.validate_with(|answer: &String| check(answer.trim()).map_err(|error| error.to_string()));
    asking(|| input.interact_text()).map(|answer| answer.trim().to_owned())
}

/// Yes or no.
pub(crate) fn yes(question: &str, offered: bool) -> Outcome<bool> {
    asking(|| {
        Confirm::with_theme(&ColorfulTheme::default()).with_prompt(question).default(offered).interact()
    })
}

/// The place of one of several; Esc gives up.
pub(crate) fn choice(question: &str, choices: &[String]) -> Outcome<usize> {
    let theme = ColorfulTheme::default();
    let question = format!("{question} (type to search)");
    let select = FuzzySelect::with_theme(&theme).with_prompt(question).items(choices).default(0);
    asking(|| select.interact_opt())?.ok_or_else(|| Failure::new("Nothing was chosen."))
}

/// Whether a question is open: then Ctrl-C reaches it as a key, and it is the question that ends.
static ASKING: AtomicBool = AtomicBool::new(false);

fn asking<T>(ask: impl FnOnce() -> dialoguer::Result<T>) -> Outcome<T> {
    static HANDLER: Once = Once::new();
    HANDLER.call_once(|| {
        // Where it cannot be set, Ctrl-C ends the program all the same, with the cursor hidden.
        let _ = ctrlc::set_handler(|| {
            if !ASKING.load(Ordering::SeqCst) {
                #[expect(clippy::exit, reason = "what Ctrl-C means")]
                std::process::exit(130);
            }
        });
    });
    // What was typed before is no answer. Without a terminal there is nothing to forget.
    let _ = tcflush(std::io::stdin(), QueueSelector::IFlush);
    ASKING.store(true, Ordering::SeqCst);
    let answer = ask();
    ASKING.store(false, Ordering::SeqCst);
    match answer {
        Err(dialoguer::Error::IO(error)) if error.kind() == ErrorKind::Interrupted => {
            let terminal = Term::stderr();
            // There is nowhere to report that the terminal is gone.
            let _ = terminal.show_cursor().and_then(|()| terminal.write_line(""));
            Err(Failure::interrupted())
        }
        answer => Ok(answer?),
    }
}
