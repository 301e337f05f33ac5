//! The composition root: what starts in which order, and how it stops. It imports every module, and no module imports
//! it.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result};
use ssod_broker::Broker;
use ssod_clock::Clock;
use ssod_connections::serve;
use ssod_control::{ENDPOINT_VARIABLES, Paths, first_set};
use ssod_endpoint::{Endpoint, ImdsTokens, Port, Services};
use ssod_identity_center::IdentityCenter;
use ssod_model::{Program, public_url};
use ssod_profiles::EndpointVariables;
use ssod_sign_in::CallbackRules;
use ssod_vault::Vault;
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinHandle;

use crate::audit::AuditLog;
use crate::aws_cli::AwsCliSharing;
use crate::config::aws_config::LiveAwsConfig;
use crate::config::live_settings::LiveSettings;
use crate::config::network::{self, Network};
use crate::config::problem::Problems;
use crate::config::reload::ConfigReloader;
use crate::config::settings::Settings;
use crate::control::api;
use crate::control::context::{ControlContext, DaemonFacts};
use crate::listen::admit::{admit, is_own_browser};
use crate::listen::imds_ports::ImdsPorts;
use crate::listen::inherited::Inherited;
use crate::listen::{bind, limits};
use crate::live_broker::LiveBroker;
use crate::notices::Notices;
use crate::refresher;
use crate::shutdown::Shutdown;
use crate::state_file::StateFile;
use crate::system::folders;
use crate::system::instance_lock::InstanceLock;
use crate::system::service_manager::ServiceManagerReporter;
#[cfg(target_os = "linux")]
use crate::system::{network_watch, resume};
use crate::vault::endpoint_tokens::LiveEndpointTokens;
use crate::vault::keeper::{VaultKeeper, VaultServices};

/// The time limit of a stop as a whole: requests that end, renewals that arrive, the last write.
const STOP_TIMEOUT: Duration = Duration::from_millis(900);
/// The time limit for the audit log's last lines.
const AUDIT_TIMEOUT: Duration = Duration::from_millis(100);

/// The inputs of a daemon.
pub struct Options {
    /// The paths on disk.
    pub paths: Paths,
    /// The settings at the start.
    pub settings: Settings,
    /// Reads an environment variable.
    pub variable: VariableReader,
    /// Sockets that a service manager opened.
    pub inherited: Inherited,
}

/// Reads an environment variable.
pub type VariableReader = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// A daemon whose sockets are bound.
pub struct App {
    context: ControlContext,
    imds_enabled: Arc<AtomicBool>,
    endpoint: Endpoint<LiveBroker>,
    limits: limits::ConnectionLimits,
    sockets: Sockets,
    shutdown: Shutdown,
    instance_lock: InstanceLock,
}

/// The bound sockets.
struct Sockets {
    endpoint: TcpListener,
    control: UnixListener,
    /// The control socket's file, if the daemon created it.
    control_file: Option<SocketFile>,
}

/// The file of a socket, which is removed on drop, also if the daemon is stopped while it starts.
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // If this fails, the next daemon removes the stale socket.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The parts that all other parts depend on.
struct Foundation {
    paths: Arc<Paths>,
    clock: Clock,
    vault: Arc<Vault>,
    broker: LiveBroker,
    state_file: Arc<StateFile>,
    audit: Arc<AuditLog>,
}

impl App {
    /// Reads the files and binds the sockets. It does not open the vault and serves nothing yet. The error is one
    /// sentence that says what to do.
    pub async fn start(options: Options, clock: Clock) -> Result<Self> {
        let Options { paths, settings, variable, mut inherited } = options;
        let instance_lock = prepare_folders(&paths)?;
        let network = Network::find(&settings.network, &paths.settings, &variable)?;
        let settings = LiveSettings::new(settings);
        let foundation = Foundation::new(paths, &settings, &network, clock).await?;
        let sockets = Sockets::bind(&foundation, settings.current().endpoint.port, &mut inherited)?;
        let port = sockets.endpoint.local_addr()?.port();
        let facts = DaemonFacts { port, overrides: overrides(&variable), network };
        let (limits, shutdown) = (limits::by_descriptors(), Shutdown::default());
        let imds_enabled = Arc::new(AtomicBool::new(settings.current().imds.enabled));
        let tokens = LiveEndpointTokens::new(
            foundation.state_file.clone(),
            foundation.paths.clone(),
            foundation.clock.clone(),
        );
        let services = foundation.services(&tokens)?;
        let main_port = Port::Main { imds: imds_enabled.clone() };
        let endpoint = Endpoint::new(services.clone(), main_port, facts.port);
        let imds_ports = ImdsPorts::new(inherited, services, limits.endpoint.clone(), shutdown.clone());
        let callback = CallbackRules { connections: limits.callback.clone(), is_own: is_own_browser };
        let environment = EndpointVariables::from_variables(&variable);
        let context = foundation.context(settings, tokens, environment, imds_ports, callback, facts);
        context.aws_config.reload().await;
        Ok(Self { context, imds_enabled, endpoint, limits, sockets, shutdown, instance_lock })
    }

    /// Returns the endpoint's port.
    pub fn port(&self) -> u16 {
        self.context.facts.port
    }

    /// Serves and renews until `stop` ends, then stops within a second.
    pub async fn run_until(mut self, stop: impl Future<Output = ()> + Send) {
        let ControlContext { broker, keeper, audit, facts, .. } = self.context.clone();
        // Clients can connect until the stop is complete.
        let (shutdown, control_file) = (self.shutdown.clone(), self.sockets.control_file.take());
        tracing::info!(port = facts.port, profiles = broker.profile_names().len(), "ssod is ready");
        log_network(&facts);
        let vault_task = tokio::spawn(keeper.clone().run(shutdown.clone()));
        let mut stop = std::pin::pin!(stop);
        // Clients that connect meanwhile wait in the backlog.
        let stopped_early = tokio::select! {
            () = keeper.started() => false,
            () = &mut stop => true,
        };
        let mut tasks = vec![vault_task];
        // The instance lock is held until the stop is complete.
        let _lock = self.spawn_tasks(&mut tasks);
        if !stopped_early {
            stop.await;
        }
        tracing::info!("stopping");
        shutdown.begin();
        let orderly_stop = async {
            broker.finish().await;
            for task in tasks {
                // The panic of a task is in the log already, and the other tasks still need to end.
                let _ = task.await;
            }
        };
        if tokio::time::timeout(STOP_TIMEOUT, orderly_stop).await.is_err() {
            tracing::warn!("the stop took too long; the next start may fetch credentials again");
        }
        audit.finish(AUDIT_TIMEOUT);
        // While the instance lock is held, because the next daemon creates a file of the same name.
        drop(control_file);
    }

    fn spawn_tasks(self, tasks: &mut Vec<JoinHandle<()>>) -> InstanceLock {
        let Self { context, imds_enabled, endpoint, limits, sockets, shutdown, instance_lock } = self;
        let ControlContext { broker, clock, settings, keeper, state_file, paths, .. } = context.clone();
        let endpoint = serve(sockets.endpoint, limits.endpoint, admit(endpoint), shutdown.begun());
        let refresher = refresher::run(broker.clone(), clock.clone(), shutdown.begun());
        let service_manager = ServiceManagerReporter {
            broker: broker.clone(),
            keeper: keeper.clone(),
            port: context.facts.port,
        };
        let notices = Notices {
            broker: broker.clone(),
            settings: settings.clone(),
            keeper: keeper.clone(),
            state_file: state_file.clone(),
            clock: clock.clone(),
        };
        let folder = paths.aws_cache.clone();
        let sharing = AwsCliSharing { broker: broker.clone(), settings, keeper, state_file, clock, folder };
        let reloader = config_reloader(&context, imds_enabled);
        let control = api::serve(context, sockets.control, limits.control, shutdown.begun());
        tasks.extend([
            tokio::spawn(endpoint),
            tokio::spawn(control),
            tokio::spawn(refresher),
            tokio::spawn(reloader.run(shutdown.clone())),
            tokio::spawn(notices.run(shutdown.begun())),
            tokio::spawn(service_manager.run(shutdown.begun())),
            tokio::spawn(sharing.run(shutdown.begun())),
            tokio::spawn(retry_after_network_changes(broker, shutdown)),
        ]);
        instance_lock
    }
}

impl Sockets {
    fn bind(foundation: &Foundation, port: Option<u16>, inherited: &mut Inherited) -> Result<Self> {
        let socket = &foundation.paths.socket;
        let endpoint = bind::endpoint(port, &foundation.state_file, inherited)?;
        let is_inherited = inherited.has_control(socket);
        let control = bind::control(socket, inherited)?;
        let control_file = (!is_inherited).then(|| SocketFile(socket.clone()));
        Ok(Self { endpoint, control, control_file })
    }
}

impl Foundation {
    async fn new(paths: Paths, settings: &LiveSettings, network: &Network, clock: Clock) -> Result<Self> {
        let paths = Arc::new(paths);
        let vault = Arc::new(Vault::new(&paths.vault()).context("cannot open the vault's folder")?);
        let options = network.options(network::loopback_check(settings.clone())).await?;
        let provider = IdentityCenter::new(&options, clock.clone())?;
        let broker = Broker::new(provider, vault.clone(), clock.clone(), settings.current().policy());
        let state_file = Arc::new(StateFile::load(&paths.memory())?);
        broker.restore_choice(state_file.active());
        let audit = start_audit(&paths, &broker)?;
        Ok(Self { paths, clock, vault, broker, state_file, audit })
    }

    /// Returns the services that the endpoint's ports share.
    fn services(&self, tokens: &LiveEndpointTokens) -> Result<Services<LiveBroker>> {
        Ok(Services {
            source: self.broker.clone(),
            clock: self.clock.clone(),
            tokens: tokens.in_force().clone(),
            imds_tokens: ImdsTokens::new().context("no random numbers")?,
            audit: self.audit.clone(),
            own_uid: ssod_peer::own_uid(),
        })
    }

    fn context(
        self,
        settings: LiveSettings,
        tokens: LiveEndpointTokens,
        environment: EndpointVariables,
        imds_ports: ImdsPorts,
        callback: CallbackRules,
        facts: DaemonFacts,
    ) -> ControlContext {
        let Self { paths, clock, vault, broker, state_file, audit } = self;
        let problems = Problems::default();
        let keeper = VaultKeeper::new(VaultServices {
            vault,
            broker: broker.clone(),
            tokens: tokens.clone(),
            state_file: state_file.clone(),
            settings: settings.clone(),
            audit: audit.clone(),
            clock: clock.clone(),
            paths: paths.clone(),
        });
        let (config_broker, config_keeper) = (broker.clone(), keeper.clone());
        let aws_config = LiveAwsConfig::new(
            &paths.aws_config,
            environment,
            config_broker,
            config_keeper,
            problems.clone(),
        );
        let facts = Arc::new(facts);
        ControlContext {
            broker,
            clock,
            settings,
            keeper,
            tokens,
            state_file,
            aws_config,
            imds_ports,
            callback,
            problems,
            audit,
            paths,
            facts,
        }
    }
}

/// Creates the private folders and takes the instance lock.
fn prepare_folders(paths: &Paths) -> Result<InstanceLock> {
    folders::private(&paths.state)?;
    folders::private(&paths.runtime)?;
    folders::check_socket_folder(&paths.socket)?;
    let lock = InstanceLock::take(&paths.lock())?;
    folders::private(&paths.vault())?;
    Ok(lock)
}

fn config_reloader(context: &ControlContext, imds_enabled: Arc<AtomicBool>) -> ConfigReloader {
    ConfigReloader {
        paths: context.paths.clone(),
        aws_config: context.aws_config.clone(),
        settings: context.settings.clone(),
        imds_enabled,
        imds_ports: context.imds_ports.clone(),
        endpoint_port: context.facts.port,
        broker: context.broker.clone(),
        keeper: context.keeper.clone(),
        problems: context.problems.clone(),
    }
}

fn start_audit(paths: &Paths, broker: &LiveBroker) -> Result<Arc<AuditLog>> {
    let broker = broker.clone();
    let on_use = move |profile: &_, program: &Program| broker.used_by(profile, &program.name);
    let audit = AuditLog::start(paths, Box::new(on_use))
        .with_context(|| format!("cannot open {}", paths.audit().display()))?;
    Ok(Arc::new(audit))
}

/// Returns the variables that override where Identity Center is called, without passwords.
fn overrides(variable: &VariableReader) -> Vec<(String, String)> {
    let set = ENDPOINT_VARIABLES.iter().filter_map(|name| first_set(&[name], variable));
    set.map(|(name, value)| (name.to_owned(), public_url(&value))).collect()
}

/// Logs what the environment and the settings change about the calls to AWS.
fn log_network(facts: &DaemonFacts) {
    for (variable, value) in &facts.overrides {
        tracing::warn!("{variable}={value} overrides where Identity Center is called");
    }
    if let Some(proxy) = facts.network.shown_proxy() {
        tracing::info!("AWS is called through the proxy {} ({})", proxy.value, proxy.source());
    }
    if let Some(bundle) = facts.network.shown_ca_bundle() {
        tracing::info!("the certificates in {} are trusted, too ({})", bundle.value, bundle.source());
    }
}

/// Drops the connections to AWS and retries failed calls after the network changed or the machine resumed.
async fn retry_after_network_changes(broker: LiveBroker, shutdown: Shutdown) {
    let try_again = || {
        // The old connections are dead, and a call on one of them would wait for fifteen seconds.
        broker.provider().disconnect();
        broker.try_again();
    };
    let watches = async {
        #[cfg(target_os = "linux")]
        tokio::join!(network_watch::watch(try_again), resume::watch(try_again));
        // On other systems, the calls end by their own time limits.
        #[cfg(not(target_os = "linux"))]
        let _ = try_again;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = shutdown.begun() => {}
        () = watches => {}
    }
}
