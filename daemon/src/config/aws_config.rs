//! The AWS config file: read, resolved, and given to the broker.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use ssod_identity_center::{EndpointError, check_endpoint};
use ssod_model::{ProfileName, SsoSession};
use ssod_private_files::{FileError, ReadPolicy, read_to_string};
use ssod_profiles::{Configuration, Document, EndpointVariables, resolve};

use super::draft_sessions::{DraftId, DraftSessions};
use super::problem::{Area, Problem, Problems};
use crate::live_broker::LiveBroker;
use crate::sign_in_hosts;
use crate::system::file_access::{self, FileAnswer};
use crate::vault::keeper::VaultKeeper;

/// More problems of one file are only counted: each is a line in the log and in `ssod status`.
const MAX_PROBLEMS: usize = 50;

/// The AWS config file, which may change while the daemon runs.
#[derive(Clone)]
pub(crate) struct LiveAwsConfig {
    path: PathBuf,
    environment: EndpointVariables,
    broker: LiveBroker,
    keeper: VaultKeeper,
    problems: Problems,
    drafts: DraftSessions,
    /// The profiles that assume a role, each with the profile that signs in for it.
    sources: Arc<Mutex<BTreeMap<String, ProfileName>>>,
    /// Held during a reload, so that an older reading of the file never replaces a newer one.
    applied: Arc<tokio::sync::Mutex<AppliedText>>,
}

/// Recognizes the text that was applied last.
#[derive(Default)]
struct AppliedText {
    /// Hashes with a random key, so that the text itself need not stay in memory.
    hasher: RandomState,
    /// `None` if the text must be applied again in any case.
    hash: Option<u64>,
}

/// What a reading of the file returned.
enum Reading {
    /// The same text as before. Reading it again is usual: the start reads the file before it watches it, and `ssod
    /// configure` asks for a reload that the watch has already caused. With 1,000 profiles, applying it takes 5 ms.
    Unchanged,
    /// Another text, with its hash.
    Changed(u64, Configuration),
}

impl LiveAwsConfig {
    /// Creates the handle; [`reload`](Self::reload) reads the file.
    pub(crate) fn new(
        path: &Path,
        environment: EndpointVariables,
        broker: LiveBroker,
        keeper: VaultKeeper,
        problems: Problems,
    ) -> Self {
        Self {
            path: path.to_owned(),
            environment,
            broker,
            keeper,
            problems,
            drafts: DraftSessions::default(),
            sources: Arc::default(),
            applied: Arc::default(),
        }
    }

    /// Returns the profile that signs in for a profile that assumes a role.
    pub(crate) fn source_of(&self, profile: &str) -> Option<ProfileName> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).get(profile).cloned()
    }

    /// Reads the file and applies it. An unusable file changes only the list of problems. Returns whether the file must
    /// be read again later, because its file system does not answer now.
    pub(crate) async fn reload(&self) -> FileAnswer {
        let mut applied = self.applied.lock().await;
        let file = self.path.clone();
        let content = file_access::access(&self.path, move || read(&file)).await;
        let answer = FileAnswer::of(&content);
        let problems = match self.resolve(content, &applied).await {
            Ok(Reading::Unchanged) => return answer,
            Ok(Reading::Changed(hash, configuration)) => {
                let mut problems = self.apply(configuration);
                let provided = self.keeper.provide_tokens().await;
                applied.hash = provided.is_ok().then_some(hash);
                problems
                    .extend(provided.err().map(|error| Problem::new(Area::AwsConfig, format!("{error:#}"))));
                problems
            }
            Err(unusable) => {
                applied.hash = None;
                vec![self.problem(unusable)]
            }
        };
        self.problems.replace(Area::AwsConfig, problems);
        answer
    }

    /// Returns what the file says. The error continues the file's name.
    async fn resolve(
        &self,
        content: io::Result<Result<String, FileError>>,
        applied: &AppliedText,
    ) -> Result<Reading, String> {
        let unusable = |error: &dyn std::fmt::Display| {
            format!("cannot be read: {error}. ssod keeps the profiles that it has")
        };
        let text = content.map_err(|error| unusable(&error))?.map_err(|error| unusable(&error))?;
        let (environment, drafts) = (self.environment.clone(), self.drafts.clone());
        let (hasher, before) = (applied.hasher.clone(), applied.hash);
        let resolving = tokio::task::spawn_blocking(move || {
            let text = drafts.apply(text);
            let hash = hasher.hash_one(&text);
            if before == Some(hash) {
                return Reading::Unchanged;
            }
            Reading::Changed(hash, resolve(&Document::parse(&text), &environment))
        });
        resolving.await.map_err(|panicked| panicked.to_string())
    }

    /// Uses the session as if the file had it, until the returned value is dropped.
    pub(crate) async fn use_draft(&self, session: SsoSession) -> Draft {
        let draft = Draft { id: self.drafts.add(session), aws_config: self.clone() };
        self.reload().await;
        draft
    }

    fn apply(&self, mut configuration: Configuration) -> Vec<Problem> {
        let mut problems: Vec<_> = configuration
            .problems
            .iter()
            .take(MAX_PROBLEMS)
            .map(|problem| self.problem(problem.to_string()))
            .collect();
        if let Some(more) = configuration.problems.len().checked_sub(MAX_PROBLEMS).filter(|more| *more > 0) {
            problems.push(self.problem(format!("{more} further lines have problems, too")));
        }
        configuration.sessions.retain(|name, session| {
            let allowed = sign_in_hosts::allows_start_url(session);
            if !allowed && problems.len() < 2 * MAX_PROBLEMS {
                problems
                    .push(self.problem(format!("session {name} has a start URL with plain http; use https")));
            }
            allowed
        });
        problems.extend(forbidden_endpoints(&configuration));
        let chained = configuration.sources.keys();
        let sources = chained.filter_map(|name| Some((name.clone(), configuration.source_of(name)?.clone())));
        *self.sources.lock().unwrap_or_else(PoisonError::into_inner) = sources.collect();
        self.broker.configure(&configuration.sessions, &configuration.profiles);
        problems
    }

    fn problem(&self, message: String) -> Problem {
        Problem::new(Area::AwsConfig, message).at(self.path.display().to_string())
    }
}

/// Returns a problem for each endpoint that is never called. A call there fails with the same reason.
fn forbidden_endpoints(configuration: &Configuration) -> Vec<Problem> {
    let of_sessions = configuration.sessions.values().map(|session| &session.endpoints);
    let of_profiles = configuration.profiles.values().filter_map(|profile| profile.endpoints.as_ref());
    let urls = of_sessions.chain(of_profiles).flat_map(|endpoints| [&endpoints.oidc, &endpoints.portal]);
    let distinct: BTreeSet<&String> = urls.flatten().collect();
    let forbidden = distinct.into_iter().filter_map(|url| check_endpoint(url).err());
    let problem =
        |error: EndpointError| Problem::new(Area::AwsConfig, error.to_string()).with_remedy(error.remedy());
    forbidden.map(problem).collect()
}

/// A session that is used although the file does not have it.
pub(crate) struct Draft {
    id: DraftId,
    aws_config: LiveAwsConfig,
}

impl Drop for Draft {
    fn drop(&mut self) {
        self.aws_config.drafts.remove(&self.id);
        let aws_config = self.aws_config.clone();
        // Without a runtime, the daemon is stopping, and no session is used any more.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { aws_config.reload().await });
        }
    }
}

/// Returns the text of the file; a missing file is an empty one.
fn read(path: &Path) -> Result<String, FileError> {
    match read_to_string(path, &ReadPolicy::user_file()) {
        Err(FileError::NotFound) => Ok(String::new()),
        read => read,
    }
}
