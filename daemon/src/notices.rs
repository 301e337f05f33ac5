//! Desktop notices that a session ends soon or has ended. Each is shown once.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use ssod_broker::{BrokerSessionStatus, Event};
use ssod_clock::Clock;
use ssod_model::{SessionName, Timestamp, TimestampExt};
use tokio::sync::broadcast::error::RecvError;

use crate::config::live_settings::LiveSettings;
use crate::live_broker::LiveBroker;
use crate::state_file::{NoticeKind, StateFile};
use crate::system::desktop;
use crate::vault::keeper::VaultKeeper;

/// The time limit for the desktop's answer.
const DESKTOP_TIMEOUT: Duration = Duration::from_secs(5);

/// A notice.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Notice {
    /// The session ends soon.
    EndsSoon { session: SessionName, ends_at: Timestamp },
    /// The session has ended.
    Ended { session: SessionName, reason: String },
}

impl Notice {
    fn summary(&self) -> String {
        match self {
            Self::EndsSoon { session, .. } => format!("Session \"{session}\" ends soon"),
            Self::Ended { session, .. } => format!("Session \"{session}\" has ended"),
        }
    }

    fn body(&self, now: Timestamp) -> String {
        match self {
            Self::EndsSoon { session, ends_at } => {
                let minutes = ends_at.since_or_zero(now).as_secs().div_ceil(60);
                format!("In about {minutes} minutes. To continue without a break, run: ssod login {session}")
            }
            Self::Ended { session, reason } => format!("{reason}. Run: ssod login {session}"),
        }
    }
}

/// Shows notices. The fields are what it depends on.
pub(crate) struct Notices {
    pub(crate) broker: LiveBroker,
    pub(crate) settings: LiveSettings,
    pub(crate) keeper: VaultKeeper,
    pub(crate) state_file: Arc<StateFile>,
    pub(crate) clock: Clock,
}

/// The notices that this run has shown. It prevents repeats even if the state file cannot be written.
#[derive(Default)]
struct Shown(HashSet<(SessionName, Timestamp, NoticeKind)>);

impl Notices {
    /// Shows notices until the stop.
    pub(crate) async fn run(self, stop: impl Future<Output = ()> + Send) {
        let (mut events, mut settings) = (self.broker.events(), self.settings.changes());
        let mut vault = self.keeper.changes();
        let mut shown = Shown::default();
        let mut stop = std::pin::pin!(stop);
        loop {
            let next = self.show_due(&mut shown);
            tokio::select! {
                () = &mut stop => return,
                event = events.recv() => match event {
                    Ok(Event::Ended { session, reason }) => self.show(&Notice::Ended { session, reason }),
                    Ok(Event::TokenChanged(_) | Event::SignedOut(_) | Event::Configured)
                    | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
                // Errors are impossible: the settings and the keeper keep the senders.
                _ = settings.changed() => {}
                _ = vault.changed() => {}
                () = self.clock.sleep_until(next) => {}
            }
        }
    }

    /// Shows the due notices of sessions whose end is known, and returns when the next one is due.
    fn show_due(&self, shown: &mut Shown) -> Option<Timestamp> {
        let (now, before) = (self.clock.now(), self.settings.current().notifications.before_expiry);
        let mut next = None::<Timestamp>;
        for session in self.broker.sessions() {
            let Some(ends_at) = session.ends_at else { continue };
            let name = session.name.clone();
            // AWS reports the end of a renewable sign-in. Any other sign-in ends at a known time, without a report.
            let mut due = vec![(warning_at(&session, ends_at, before), NoticeKind::EndsSoon)];
            if !session.renewable {
                due.push((ends_at, NoticeKind::Ended));
            }
            let passed: Vec<_> = due.iter().filter(|(at, _)| *at <= now).map(|(_, kind)| *kind).collect();
            next = due.iter().map(|(at, _)| *at).filter(|at| *at > now).chain(next).min();
            // Of several due notices, only the latest is shown.
            let Some(kind) = passed.last().copied() else { continue };
            if !shown.0.insert((name.clone(), ends_at, kind))
                || self.state_file.was_shown(&name, ends_at, kind)
            {
                continue;
            }
            if let Err(error) = self.state_file.save_shown_notice(&name, ends_at, kind) {
                tracing::warn!("{error:#}");
            }
            let reason = "This kind of sign-in cannot be renewed".to_owned();
            self.show(&match kind {
                NoticeKind::EndsSoon => Notice::EndsSoon { session: name, ends_at },
                NoticeKind::Ended => Notice::Ended { session: name, reason },
            });
        }
        next
    }

    fn show(&self, notice: &Notice) {
        let (summary, body) = (notice.summary(), notice.body(self.clock.now()));
        tracing::info!("{summary}. {body}");
        if self.settings.current().notifications.desktop {
            tokio::spawn(async move {
                let shown = tokio::time::timeout(DESKTOP_TIMEOUT, desktop::show(&summary, &body)).await;
                if !matches!(shown, Ok(Ok(()))) {
                    tracing::debug!("no desktop shows notices");
                }
            });
        }
    }
}

/// Returns when to warn: the given time before the end, but at most half of the session's length before it.
fn warning_at(session: &BrokerSessionStatus, ends_at: Timestamp, before: Duration) -> Timestamp {
    let half = session.signed_in_at.map(|began| ends_at.since_or_zero(began) / 2);
    ends_at.minus(half.map_or(before, |half| before.min(half)))
}
