//! The AWS config file: read, resolved, and given to the broker.

use std::path::{Path, PathBuf};

use ssod_private_files::{FileError, ReadPolicy, read_to_string};
use ssod_profiles::{Configuration, Document, Environment, resolve};

use super::problem::{Area, Problem, Problems};
use crate::live_broker::LiveBroker;
use crate::sign_in_hosts;
use crate::vault::keeper::VaultKeeper;

/// The AWS config file, which may change while the daemon runs.
#[derive(Clone)]
pub(crate) struct LiveAwsConfig {
    path: PathBuf,
    environment: Environment,
    broker: LiveBroker,
    keeper: VaultKeeper,
    problems: Problems,
}

impl LiveAwsConfig {
    /// Creates the handle; [`reload`](Self::reload) reads the file.
    pub(crate) fn new(
        path: &Path,
        environment: Environment,
        broker: LiveBroker,
        keeper: VaultKeeper,
        problems: Problems,
    ) -> Self {
        Self { path: path.to_owned(), environment, broker, keeper, problems }
    }

    /// Reads the file and applies it. An unusable file changes only the list of problems.
    pub(crate) async fn reload(&self) {
        let (path, environment) = (self.path.clone(), self.environment.clone());
        let read = tokio::task::spawn_blocking(move || load(&path, &environment)).await;
        let loaded = read.unwrap_or_else(|panicked| Err(panicked.to_string()));
        let problems = match loaded {
            Ok(configuration) => self.apply(configuration).await,
            Err(unusable) => vec![self.problem(unusable)],
        };
        self.problems.replace(Area::AwsConfig, problems);
    }

    async fn apply(&self, mut configuration: Configuration) -> Vec<Problem> {
        let mut problems: Vec<_> =
            configuration.problems.iter().map(|problem| self.problem(problem.to_string())).collect();
        configuration.sessions.retain(|name, session| {
            let allowed = sign_in_hosts::allows_start_url(session);
            if !allowed {
                problems
                    .push(self.problem(format!("session {name} has a start URL with plain http; use https")));
            }
            allowed
        });
        self.broker.configure(&configuration.sessions, &configuration.profiles);
        if let Err(error) = self.keeper.provide_tokens().await {
            problems.push(Problem::new(Area::AwsConfig, format!("{error:#}")));
        }
        problems
    }

    fn problem(&self, message: String) -> Problem {
        Problem::new(Area::AwsConfig, message).at(self.path.display().to_string())
    }
}

/// Loads the file; a missing file is the same as an empty one. The error is a text that follows the file's name.
fn load(path: &Path, environment: &Environment) -> Result<Configuration, String> {
    let text = match read_to_string(path, &ReadPolicy::user_file()) {
        Ok(text) => text,
        Err(FileError::NotFound) => return Ok(Configuration::default()),
        Err(error) => return Err(format!("cannot be read: {error}. ssod keeps the profiles that it has")),
    };
    let document =
        Document::parse(&text).map_err(|broken| format!("{broken}. ssod keeps the profiles that it has"))?;
    Ok(resolve(&document, environment))
}
