//! What goes to stderr, and how.

use serde::Deserialize;
use tracing_subscriber::EnvFilter;

/// The form of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text; without times under systemd, whose journal has its own.
    #[default]
    Auto,
    /// Lines without times, for a journal.
    Journald,
    /// Lines with times.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging, as `SSOD_LOG` filters it. A second call changes nothing.
pub fn init(format: LogFormat) {
    let filter =
        EnvFilter::builder().with_env_var("SSOD_LOG").with_default_directive(tracing::Level::INFO.into());
    // It tells of each change in a watched folder; where the log itself lies in one, each line would bring the next.
    let quiet = "notify=info".parse().unwrap_or_else(|_| tracing::Level::INFO.into());
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter.from_env_lossy().add_directive(quiet))
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false);
    let under_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    // Fails only where logging was started already.
    let _ = match format {
        LogFormat::Json => log.json().try_init(),
        LogFormat::Journald => log.without_time().try_init(),
        LogFormat::Auto if under_journal => log.without_time().try_init(),
        LogFormat::Auto | LogFormat::Text => log.try_init(),
    };
}
