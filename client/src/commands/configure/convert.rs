//! `ssod configure --convert`: makes profiles with AWS's own SSO keys use ssod.

use ssod_model::{Profile, did_you_mean, similar_names};
use ssod_profiles::{ConfigProblem, Configuration, ProblemKind, convert_to_ssod_form, plan_conversions};

use super::config_edit::{own_program, save};
use super::difference::difference;
use crate::context::CommandContext;
use crate::error::{CommandError, CommandResult};
use crate::{aws_config, terminal, user_file};

/// The profiles to convert.
#[derive(Clone, Copy)]
pub(super) enum ProfileSelection<'a> {
    All,
    /// The name is empty if `--convert` is given without one.
    Named(&'a str),
}

pub(super) fn run(
    context: &CommandContext,
    selection: ProfileSelection<'_>,
    dry_run: bool,
) -> CommandResult<()> {
    let path = &context.paths.aws_config;
    let before = user_file::read(path)?;
    let existing = aws_config::resolve(&before);
    let selected = select(&existing, selection)?;
    let conversions = plan_conversions(&existing, &selected);
    let after = convert_to_ssod_form(&before, &conversions, &own_program()?)
        .map_err(|error| aws_config::not_changed(path, &error))?;
    if dry_run {
        return Ok(terminal::print(&difference(&before, &after))?);
    }
    save(context, &before, &after)?;
    let names: Vec<_> = selected.iter().map(|profile| profile.name.as_str()).collect();
    Ok(terminal::print(&if names.is_empty() {
        "No profile has AWS's own SSO keys.\n".to_owned()
    } else {
        format!("These profiles use ssod now: {}.\n", names.join(", "))
    })?)
}

fn select<'a>(
    existing: &'a Configuration,
    selection: ProfileSelection<'_>,
) -> CommandResult<Vec<&'a Profile>> {
    let name = match selection {
        ProfileSelection::All => {
            return Ok(existing.profiles.values().filter(|profile| profile.aws_form).collect());
        }
        ProfileSelection::Named("") => {
            return Err(CommandError::usage("--convert needs the name of a profile, or --all.")
                .hint("Example: ssod configure --convert PROFILE"));
        }
        ProfileSelection::Named(name) => name,
    };
    match existing.profiles.values().find(|profile| profile.name.as_str() == name) {
        Some(profile) if profile.aws_form => Ok(vec![profile]),
        Some(_) => Err(CommandError::new(format!("Profile \"{name}\" already uses ssod."))),
        None => Err(unknown_profile(existing, name)),
    }
}

fn unknown_profile(existing: &Configuration, name: &str) -> CommandError {
    let similar = similar_names(name, existing.profiles.values().map(|profile| profile.name.as_str()));
    let unreadable = existing.problems.iter().find(|problem| is_unreadable(problem));
    let hint = match (did_you_mean(&similar), unreadable) {
        (Some(question), _) => format!("{question} To list the profiles: ssod status"),
        (None, Some(problem)) => format!("Perhaps because of {problem}"),
        (None, None) => "To list the profiles: ssod status".to_owned(),
    };
    CommandError::new(format!("There is no profile \"{name}\" with SSO keys in the AWS config file."))
        .hint(hint)
}

/// Returns whether the line may have been meant to name a profile or a setting.
fn is_unreadable(problem: &ConfigProblem) -> bool {
    matches!(problem.kind, ProblemKind::Unreadable(_))
}
