//! The AWS config file: read, resolved, and given to the broker.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ssod_model::ProfileName;
use ssod_private_files::{FileError, ReadPolicy, read_to_string};
use ssod_profiles::{Configuration, Document, Environment, resolve};

use super::problem::{Area, Problem, Problems};
use crate::live_broker::LiveBroker;
use crate::sign_in_hosts;
use crate::vault::keeper::VaultKeeper;

/// The AWS config file as it is on disk now.
#[derive(Clone)]
pub(crate) struct LiveAwsConfig {
    path: PathBuf,
    environment: Environment,
    broker: LiveBroker,
    keeper: VaultKeeper,
    problems: Problems,
    /// The profiles that assume a role, each with the profile that signs in for it.
    sources: Arc<Mutex<BTreeMap<String, ProfileName>>>,
}

impl LiveAwsConfig {
    /// Reads nothing yet.
    pub(crate) fn new(
        path: &Path,
        environment: Environment,
        broker: LiveBroker,
        keeper: VaultKeeper,
        problems: Problems,
    ) -> Self {
        Self { path: path.to_owned(), environment, broker, keeper, problems, sources: Arc::default() }
    }

    /// Returns the profile that signs in for a profile that assumes a role.
    pub(crate) fn source_of(&self, profile: &str) -> Option<ProfileName> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).get(profile).cloned()
    }

    /// Reads the file and uses what it says now. A broken file changes only the problems.
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
        let chained = configuration.sources.keys();
        let sources = chained.filter_map(|name| Some((name.clone(), configuration.source_of(name)?.clone())));
        *self.sources.lock().unwrap_or_else(PoisonError::into_inner) = sources.collect();
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

/// Returns what the file says; a missing file is an empty one. The error continues the file's name.
fn load(path: &Path, environment: &Environment) -> Result<Configuration, String> {
    let text = match read_to_string(path, &ReadPolicy::user_file()) {
        Ok(text) => text,
        Err(FileError::NotFound) => return Ok(Configuration::default()),
        Err(error) => return Err(format!("cannot be read: {error}. ssod keeps the profiles that it has")),
    };
    Ok(resolve(&Document::parse(&text), environment))
}
