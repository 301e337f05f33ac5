//! `ssod env`.

use ssod_control::{ControlClient, EnvRequest, Environment, Status};

use super::Context;
use crate::cli::Env;
use crate::failure::Outcome;
use crate::shell::{self, Variables};
use crate::{daemon, terminal};

pub(crate) fn run(context: &Context, command: &Env) -> Outcome<()> {
    let client = daemon::connect(&context.paths)?;
    let variables = variables(&client, command.name.as_deref(), command.imds)?;
    let own = || shell::detect(shell::parent().as_deref(), std::env::var("SHELL").ok().as_deref());
    let shell = command.shell.unwrap_or_else(own);
    if command.name.is_none() && client.get::<Status>("/v1/status")?.active.profile.is_none() {
        terminal::warn("No profile is active yet. Choose one: ssod use PROFILE");
    }
    Ok(terminal::print(&variables.render(shell))?)
}

/// What to set and unset for that profile. The daemon answers only where it holds the port itself.
pub(crate) fn variables(client: &ControlClient, profile: Option<&str>, imds: bool) -> Outcome<Variables> {
    let request = EnvRequest { profile: profile.map(str::to_owned), imds };
    let environment: Environment = client.post("/v1/env", &request)?;
    Ok(Variables::new(&environment, |name| std::env::var(name).ok()))
}
