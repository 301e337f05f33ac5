//! What goes to stderr, and how.

use serde::Deserialize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::SubscriberBuilder;
use tracing_subscriber::fmt::format::{DefaultFields, Format, Full};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

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
    let filter = filter.from_env_lossy().add_directive(quiet);
    let under_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    // Each fails only where logging was started already.
    if format == LogFormat::Journald || format == LogFormat::Auto && under_journal {
        if let Ok(journal) = tracing_journald::layer() {
            let journal = journal.with_field_prefix(None);
            let _ = tracing_subscriber::registry().with(filter).with(journal).try_init();
        } else {
            // No socket of the journal's: its stream takes lines, too, and has its own times.
            let _ = lines(filter).without_time().try_init();
        }
    } else if format == LogFormat::Json {
        let _ = lines(filter).json().try_init();
    } else {
        let _ = lines(filter).try_init();
    }
}

/// Lines on stderr.
fn lines(
    filter: EnvFilter,
) -> SubscriberBuilder<DefaultFields, Format<Full>, EnvFilter, fn() -> std::io::Stderr> {
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr as fn() -> std::io::Stderr)
        .with_ansi(false)
        .with_target(false)
}
