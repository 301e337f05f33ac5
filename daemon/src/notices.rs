//! What a person is told without asking: that a session is about to end, and that it has ended. Once each.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use ssod_broker::{Event, SessionStatus};
use ssod_model::{SessionName, Timestamp, TimestampExt};
use tokio::sync::broadcast::error::RecvError;

use crate::app::Shared;

/// A desktop that does not answer is not waited for any longer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Notice {
    /// It is about to end.
    EndsSoon { session: SessionName, ends_at: Timestamp },
    /// It has ended.
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
                format!("In about {minutes} minutes. To go on without a break, run: ssod login {session}")
            }
            Self::Ended { session, reason } => format!("{reason}. Run: ssod login {session}"),
        }
    }
}

/// Tells, until it is stopped.
pub(crate) async fn run(shared: Arc<Shared>) {
    let (mut events, mut settings) = (shared.broker.events(), shared.settings_changes());
    let mut vault = shared.keeper.changes();
    let mut told = Told::default();
    let mut stopped = std::pin::pin!(shared.stopped());
    loop {
        let next = tell_what_is_due(&shared, &mut told);
        let due = shared.clock.sleep_until(next);
        tokio::select! {
            () = &mut stopped => return,
            event = events.recv() => match event {
                Ok(Event::Ended { session, reason }) => tell(&shared, &Notice::Ended { session, reason }),
                Ok(Event::TokenChanged(_) | Event::SignedOut(_) | Event::Configured)
                | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            // The daemon keeps both senders.
            _ = settings.changed() => {}
            _ = vault.changed() => {}
            () = due => {}
        }
    }
}

/// What this run told, whatever became of remembering it: never two alike.
#[derive(Default)]
struct Told(HashSet<(SessionName, Timestamp, &'static str)>);

/// Tells of what ends soon and of what has ended by itself, and says when to look again.
fn tell_what_is_due(shared: &Arc<Shared>, told: &mut Told) -> Option<Timestamp> {
    let (now, before) = (shared.clock.now(), shared.settings().notifications.before_expiry);
    let mut next = None::<Timestamp>;
    for session in shared.broker.sessions() {
        let Some(ends_at) = session.ends_at else { continue };
        let name = session.name.clone();
        // AWS says when a sign-in ends that can be renewed; any other ends by the clock, and nobody says so.
        let mut due = vec![(warning_at(&session, ends_at, before), "soon")];
        if !session.renewable {
            due.push((ends_at, "ended"));
        }
        let passed: Vec<_> = due.iter().filter(|(at, _)| *at <= now).map(|(_, what)| *what).collect();
        next = due.iter().map(|(at, _)| *at).filter(|at| *at > now).chain(next).min();
        // Only the last of them says something new.
        let Some(what) = passed.last().copied() else { continue };
        if !told.0.insert((name.clone(), ends_at, what)) || shared.memory.was_told_of(&name, ends_at, what) {
            continue;
        }
        if let Err(error) = shared.memory.keep_told_of(&name, ends_at, what) {
            tracing::warn!("{error:#}");
        }
        let reason = "This kind of sign-in cannot be renewed".to_owned();
        tell(
            shared,
            &match what {
                "soon" => Notice::EndsSoon { session: name, ends_at },
                _ => Notice::Ended { session: name, reason },
            },
        );
    }
    next
}

/// When to warn: so long before the end, but never before half of a short session.
fn warning_at(session: &SessionStatus, ends_at: Timestamp, before: Duration) -> Timestamp {
    let half = session.signed_in_at.map(|began| ends_at.since_or_zero(began) / 2);
    ends_at.minus(half.map_or(before, |half| before.min(half)))
}

fn tell(shared: &Arc<Shared>, notice: &Notice) {
    let (summary, body) = (notice.summary(), notice.body(shared.clock.now()));
    tracing::info!("{summary}. {body}");
    if shared.settings().notifications.desktop {
        tokio::spawn(async move {
            let shown = tokio::time::timeout(PATIENCE, show(&summary, &body)).await;
            if !matches!(shown, Ok(Ok(()))) {
                tracing::debug!("there is no desktop to show it on");
            }
        });
    }
}

#[cfg(target_os = "linux")]
async fn show(summary: &str, body: &str) -> Result<(), notify_rust::error::Error> {
    notify_rust::Notification::new().appname("ssod").summary(summary).body(body).show_async().await.map(drop)
}

#[cfg(not(target_os = "linux"))]
async fn show(summary: &str, body: &str) -> Result<(), notify_rust::error::Error> {
    let mut notification = notify_rust::Notification::new();
    notification.appname("ssod").summary(summary).body(body);
    // Without a runtime of its own it can only be asked from a thread that may block.
    tokio::task::spawn_blocking(move || notification.show().map(drop)).await.unwrap_or(Ok(()))
}
