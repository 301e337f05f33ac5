//! The daemon, wired: what is started in which order, and what runs until the stop.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use ssod_broker::Broker;
use ssod_clock::Clock;
use ssod_control::Paths;
use ssod_endpoint::{ImdsTokens, Surroundings, Tokens};
use ssod_identity_center::IdentityCenter;
use ssod_model::ProfileName;
use ssod_profiles::Environment;
use ssod_vault::Vault;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;

use crate::audit::AuditLog;
use crate::capacity::{self, Capacities};
use crate::file_watch::FileWatch;
use crate::inherited::Inherited;
use crate::instance_lock::InstanceLock;
use crate::listeners::ImdsListener;
use crate::memory::Memory;
use crate::settings::Settings;
use crate::vault_keeper::{self, VaultKeeper};
use crate::{
    aws_cli, aws_config, control, endpoint_tokens, folders, listeners, network, notices, refresher,
    service_manager, sign_in_hosts,
};
#[cfg(target_os = "linux")]
use crate::{network_watch, resume};

/// How long a stop may take in all: requests that end, renewals that arrive, the last write.
const STOP: Duration = Duration::from_millis(900);

/// What a daemon is started with.
pub struct Options {
    /// Where everything is.
    pub paths: Paths,
    /// The settings, read.
    pub settings: Settings,
    /// Reads an environment variable.
    pub variable: Variables,
    /// Sockets that a service manager opened.
    pub inherited: Inherited,
}

/// Reads an environment variable.
pub type Variables = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The broker as the daemon has it.
pub(crate) type LiveBroker = Broker<IdentityCenter, Vault>;

/// A daemon that listens.
pub struct App {
    shared: Arc<Shared>,
    endpoint: TcpListener,
    control: UnixListener,
    /// Whether the control socket is ours to remove.
    owns_socket: bool,
    _lock: InstanceLock,
}

/// What every route and task needs.
pub(crate) struct Shared {
    pub(crate) paths: Paths,
    pub(crate) environment: Environment,
    pub(crate) overrides: Vec<(String, String)>,
    settings: watch::Sender<Arc<Settings>>,
    /// The settings of the start: some of them count until the end.
    started_with: Arc<Settings>,
    pub(crate) broker: LiveBroker,
    pub(crate) keeper: VaultKeeper,
    pub(crate) audit: Arc<AuditLog>,
    pub(crate) capacities: Capacities,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) imds_tokens: ImdsTokens,
    pub(crate) memory: Memory,
    pub(crate) clock: Clock,
    pub(crate) port: u16,
    /// Whether the endpoint serves IMDS at present.
    pub(crate) imds_enabled: Arc<AtomicBool>,
    /// The IMDS ports that are open, by profile.
    pub(crate) imds_ports: Mutex<BTreeMap<String, ImdsListener>>,
    /// Ports that the service manager holds and nobody took yet.
    pub(crate) inherited: Mutex<Inherited>,
    pub(crate) problems: Mutex<Problems>,
    pub(crate) stop: watch::Sender<bool>,
}

/// What is wrong at present, by where it came from.
#[derive(Default)]
pub(crate) struct Problems {
    pub(crate) aws_config: Vec<String>,
    pub(crate) settings: Option<String>,
    /// What was changed and takes effect later.
    pub(crate) restart: Option<String>,
    pub(crate) imds: Vec<String>,
}

impl App {
    /// Reads the files and listens; nothing is served yet, and the vault is not open yet. Fails with one sentence that says
    /// what to do.
    pub async fn start(options: Options, clock: Clock) -> Result<Self> {
        let Options { paths, settings, variable, mut inherited } = options;
        folders::private(&paths.state)?;
        folders::private(&paths.runtime)?;
        let lock = InstanceLock::take(&paths.lock())?;
        folders::private(&paths.vault())?;
        let vault = Arc::new(Vault::new(&paths.vault()).context("cannot open the vault's folder")?);
        let network = network::load(&settings.network, &variable)?;
        let provider = IdentityCenter::new(&network, clock.clone())?;
        let broker = Broker::new(provider, vault.clone(), clock.clone(), settings.policy());
        let memory = Memory::load(&paths.memory())?;
        broker.restore_choice(memory.active());
        let endpoint = listeners::endpoint(settings.endpoint.port, &memory, &mut inherited)?;
        let owns_socket = !inherited.has_control(&paths.socket);
        let control = listeners::control(&paths.socket, &mut inherited)?;
        let overrides =
            Environment::VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), variable(name)?)));
        let settings = Arc::new(settings);
        let users = broker.clone();
        let on_use = move |profile: &_, program: &ssod_model::Program| users.used_by(profile, &program.name);
        let audit = AuditLog::start(&paths.audit(), Box::new(on_use))
            .with_context(|| format!("cannot open {}", paths.audit().display()))?;
        let shared = Arc::new(Shared {
            environment: Environment::from_variables(&variable),
            overrides: overrides.filter(|(_, value)| !value.is_empty()).collect(),
            imds_enabled: Arc::new(AtomicBool::new(settings.imds.enabled)),
            started_with: settings.clone(),
            settings: watch::channel(settings).0,
            tokens: Arc::default(),
            keeper: VaultKeeper::new(vault, clock.now()),
            audit: Arc::new(audit),
            capacities: capacity::by_descriptors(),
            imds_tokens: ImdsTokens::new().context("no random numbers")?,
            port: endpoint.local_addr()?.port(),
            imds_ports: Mutex::default(),
            inherited: Mutex::new(inherited),
            problems: Mutex::default(),
            stop: watch::channel(false).0,
            paths,
            broker,
            memory,
            clock,
        });
        shared.reload_aws_config().await;
        Ok(Self { shared, endpoint, control, owns_socket, _lock: lock })
    }

    /// The port of the endpoint.
    pub fn port(&self) -> u16 {
        self.shared.port
    }

    /// Serves and renews until `stop` ends; then stops within a second.
    pub async fn run_until(self, stop: impl Future<Output = ()> + Send) {
        let shared = self.shared;
        tracing::info!(port = shared.port, profiles = shared.broker.profile_names().len(), "ssod is ready");
        for (variable, value) in &shared.overrides {
            tracing::warn!("{variable}={value} overrides where Identity Center is called");
        }
        let keeper = tokio::spawn(vault_keeper::run(shared.clone()));
        // Whoever connects meanwhile waits in the backlog, and finds the vault open.
        let mut stop = std::pin::pin!(stop);
        let stopped_early = tokio::select! {
            () = shared.keeper.settled() => false,
            () = &mut stop => true,
        };
        let tasks = [
            keeper,
            tokio::spawn(listeners::serve_endpoint(shared.clone(), self.endpoint)),
            tokio::spawn(control::serve(shared.clone(), self.control)),
            tokio::spawn(refresher::run(shared.broker.clone(), shared.clock.clone(), shared.stopped())),
            tokio::spawn(watch_files(shared.clone())),
            tokio::spawn(notices::run(shared.clone())),
            tokio::spawn(service_manager::run(shared.clone())),
            tokio::spawn(aws_cli::run(shared.clone())),
            tokio::spawn(watch_surroundings(shared.clone())),
        ];
        if !stopped_early {
            stop.await;
        }
        tracing::info!("stopping");
        shared.stop.send_replace(true);
        let in_order = async {
            shared.broker.finish().await;
            for task in tasks {
                // A task that panicked has said so; the others still end in order.
                let _ = task.await;
            }
        };
        if tokio::time::timeout(STOP, in_order).await.is_err() {
            tracing::warn!(
                "something took too long to end; credentials may be fetched anew at the next start"
            );
        }
        shared.audit.finish(Duration::from_millis(100));
        if self.owns_socket {
            // A stale socket would be removed by the next daemon anyway.
            let _ = std::fs::remove_file(&shared.paths.socket);
        }
    }
}

impl Shared {
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.settings.borrow().clone()
    }

    /// Tells of each change of the settings.
    pub(crate) fn settings_changes(&self) -> watch::Receiver<Arc<Settings>> {
        self.settings.subscribe()
    }

    /// Ends when the daemon stops.
    pub(crate) fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stop = self.stop.subscribe();
        async move {
            // The sender lives as long as the daemon; an error means the same as a stop.
            let _ = stop.wait_for(|stop| *stop).await;
        }
    }

    /// Takes over what the AWS config file says now; a broken file changes nothing but what `status` says.
    pub(crate) async fn reload_aws_config(self: &Arc<Self>) {
        let (path, environment) = (self.paths.aws_config.clone(), self.environment.clone());
        let read = tokio::task::spawn_blocking(move || aws_config::load(&path, &environment)).await;
        let outcome = read.unwrap_or_else(|error| Err(error.to_string()));
        let problems = match outcome {
            Ok(mut configuration) => {
                let path = self.paths.aws_config.display();
                let mut problems: Vec<String> =
                    configuration.problems.iter().map(|problem| format!("{path} {problem}")).collect();
                configuration.sessions.retain(|name, session| {
                    let allowed = sign_in_hosts::allows_start_url(session);
                    if !allowed {
                        problems.push(format!(
                            "{path}: session {name} has a start URL with plain http; use https"
                        ));
                    }
                    allowed
                });
                self.broker.configure(&configuration.sessions, &configuration.profiles);
                if let Err(error) = self.provide_tokens().await {
                    problems.push(format!("{error:#}"));
                }
                problems
            }
            Err(problem) => vec![problem],
        };
        let mut known = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        for problem in problems.iter().filter(|problem| !known.aws_config.contains(problem)) {
            tracing::warn!("{problem}");
        }
        known.aws_config = problems;
    }

    /// Makes the endpoint tokens that are missing, and their files. While the vault is locked nobody knows which are.
    pub(crate) async fn provide_tokens(self: &Arc<Self>) -> Result<()> {
        let _unchanging = self.keeper.unchanging().await;
        if self.keeper.is_open() { self.provide_tokens_now().await } else { Ok(()) }
    }

    /// The same for whoever changes the vault at this moment.
    pub(crate) async fn provide_tokens_now(self: &Arc<Self>) -> Result<()> {
        let shared = self.clone();
        let profiles = self.broker.profile_names();
        tokio::task::spawn_blocking(move || {
            let file = |profile: Option<&ProfileName>| shared.token_file(profile);
            let (vault, folder) = (shared.keeper.vault().as_ref(), shared.paths.tokens());
            endpoint_tokens::provide(&shared.tokens, &profiles, vault, file, &folder)
        })
        .await?
    }

    /// Where that profile's token, or the one that follows `ssod use`, lies at present.
    pub(crate) fn token_file(&self, profile: Option<&ProfileName>) -> std::path::PathBuf {
        self.paths.token(profile.map(ProfileName::as_str), self.memory.generation(profile))
    }

    /// What the endpoint's ports share.
    pub(crate) fn surroundings(&self) -> Surroundings<LiveBroker> {
        Surroundings {
            source: self.broker.clone(),
            clock: self.clock.clone(),
            tokens: self.tokens.clone(),
            imds_tokens: self.imds_tokens.clone(),
            audit: self.audit.clone(),
            own_uid: ssod_peer::own_uid(),
        }
    }

    fn reload_settings(&self) {
        let (problem, restart) = match Settings::load(&self.paths.settings) {
            Ok(new) => {
                let restart = self.started_with.needs_restart(&new);
                self.imds_enabled.store(new.imds.enabled, Ordering::Relaxed);
                self.broker.set_policy(new.policy());
                self.settings.send_replace(Arc::new(new));
                self.keeper.look_again();
                (None, restart)
            }
            Err(error) => (Some(format!("{error}. ssod keeps the settings that it had")), None),
        };
        let mut known = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(problem) = problem.as_ref().filter(|problem| known.settings.as_ref() != Some(problem)) {
            tracing::warn!("{problem}");
        }
        known.settings = problem;
        known.restart = restart;
    }
}

/// What makes a wait for AWS's answer pointless: another network, and a machine that woke from sleep.
async fn watch_surroundings(shared: Arc<Shared>) {
    let try_again = || {
        // Connections of before lead nowhere, and whoever took one would wait for fifteen seconds.
        shared.broker.provider().disconnect();
        shared.broker.try_again();
    };
    let watches = async {
        #[cfg(target_os = "linux")]
        tokio::join!(network_watch::watch(try_again), resume::watch(try_again));
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = shared.stopped() => {}
        () = watches => {}
    }
}

/// Takes up changes of both files, by content: an editor's many events are one change.
async fn watch_files(shared: Arc<Shared>) {
    let files = vec![shared.paths.aws_config.clone(), shared.paths.settings.clone()];
    let mut watch = match FileWatch::new(files.clone()) {
        Ok(watch) => watch,
        Err(error) => {
            tracing::warn!(%error, "cannot watch files; after a change, restart the daemon");
            listeners::settle_imds_ports(&shared).await;
            return;
        }
    };
    let content = |file: &std::path::PathBuf| std::fs::read(file).ok();
    let mut seen: Vec<_> = files.iter().map(content).collect();
    // What changed between the first reading and the watch's start.
    shared.reload_aws_config().await;
    shared.reload_settings();
    listeners::settle_imds_ports(&shared).await;
    loop {
        tokio::select! {
            () = shared.stopped() => return,
            () = watch.changed() => {}
        }
        let now: Vec<_> = files.iter().map(content).collect();
        if now[0] != seen[0] {
            shared.reload_aws_config().await;
        }
        if now[1] != seen[1] {
            shared.reload_settings();
            listeners::settle_imds_ports(&shared).await;
        }
        seen = now;
    }
}
