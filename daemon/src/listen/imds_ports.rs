//! The IMDS ports of single profiles, which `[imds] profiles` names.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ssod_connections::{ConnectionRules, serve};
use ssod_control::ImdsPort;
use ssod_endpoint::{Endpoint, Port, Services};
use ssod_model::ProfileName;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::admit::admit;
use super::bind::bind;
use super::inherited::Inherited;
use super::port_taken::{self, PortSetting};
use crate::config::problem::{Area, Problem};
use crate::live_broker::LiveBroker;
use crate::shutdown::Shutdown;

/// The open IMDS ports. Clones share one state.
#[derive(Clone)]
pub(crate) struct ImdsPorts(Arc<ImdsPortsInner>);

struct ImdsPortsInner {
    /// By profile.
    open: Mutex<BTreeMap<ProfileName, ImdsListener>>,
    /// The sockets of the service manager that are not in use yet.
    inherited: Mutex<Inherited>,
    services: Services<LiveBroker>,
    rules: ConnectionRules,
    shutdown: Shutdown,
}

/// An open port; dropping `stop` closes it.
struct ImdsListener {
    port: u16,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl ImdsPorts {
    /// Creates the handle without any open port.
    pub(crate) fn new(
        inherited: Inherited,
        services: Services<LiveBroker>,
        rules: ConnectionRules,
        shutdown: Shutdown,
    ) -> Self {
        let (open, inherited) = (Mutex::default(), Mutex::new(inherited));
        Self(Arc::new(ImdsPortsInner { open, inherited, services, rules, shutdown }))
    }

    /// Returns the port that serves that profile.
    pub(crate) fn port_of(&self, profile: &ProfileName) -> Option<u16> {
        self.open().get(profile).map(|listener| listener.port)
    }

    /// Returns all open ports, by profile.
    pub(crate) fn list(&self) -> Vec<ImdsPort> {
        let open = self.open();
        open.iter()
            .map(|(profile, listener)| ImdsPort { profile: profile.to_string(), port: listener.port })
            .collect()
    }

    /// Opens and closes ports so that exactly the wanted ones are open, and returns the problems. It closes first, so
    /// that a port can change its profile.
    pub(crate) async fn apply(&self, wanted: &BTreeMap<ProfileName, u16>) -> Vec<Problem> {
        let closing: Vec<ImdsListener> = self
            .open()
            .extract_if(.., |name, listener| wanted.get(name) != Some(&listener.port))
            .map(|(_, closed)| closed)
            .collect();
        for ImdsListener { stop, task, .. } in closing {
            drop(stop);
            // If the task panicked, its port is closed, too, and the panic is in the log.
            let _ = task.await;
        }
        let (mut problems, mut taken) = (Vec::new(), Vec::new());
        for (name, port) in wanted {
            let mut open = self.open();
            if open.contains_key(name) {
                continue;
            }
            let held = self.inherited().take_port(*port);
            let listener = held.map_or_else(|| bind(*port), TcpListener::from_std);
            match listener {
                Ok(listener) => {
                    open.insert(name.clone(), self.serve(name.clone(), *port, listener));
                }
                Err(error) => taken.push((*port, error)),
            }
        }
        // Another daemon may be asked who it is.
        let explain = move || {
            taken
                .iter()
                .map(|(port, error)| port_taken::error(PortSetting::Imds, *port, error).to_string())
                .collect()
        };
        problems.extend(tokio::task::spawn_blocking(explain).await.unwrap_or_else(|_| Vec::new()));
        problems.extend(self.inherited().ports().map(|port| {
            format!(
                "the service manager holds port {port}, which the settings do not name. Run: ssod service install"
            )
        }));
        problems.into_iter().map(|problem| Problem::new(Area::Imds, problem)).collect()
    }

    fn serve(&self, profile: ProfileName, port: u16, listener: TcpListener) -> ImdsListener {
        let endpoint = Endpoint::new(self.0.services.clone(), Port::Imds(profile), port);
        let (stop, closed) = oneshot::channel();
        let shutdown = self.0.shutdown.begun();
        let until = async move {
            tokio::select! {
                () = shutdown => {}
                // No value is ever sent; dropping the sender closes the port.
                _ = closed => {}
            }
        };
        let task = tokio::spawn(serve(listener, self.0.rules.clone(), admit(endpoint), until));
        ImdsListener { port, stop, task }
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<ProfileName, ImdsListener>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn inherited(&self) -> MutexGuard<'_, Inherited> {
        self.0.inherited.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
