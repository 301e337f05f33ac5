//! The daemon's log: its filter, its format and its destination.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::SubscriberBuilder;
use tracing_subscriber::fmt::format::{DefaultFields, Format, Full};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The format of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// The journal under systemd, which adds its own times; otherwise text on stderr.
    #[default]
    Auto,
    /// Entries for the journal; without its socket, lines without times.
    Journald,
    /// Lines with times on stderr.
    Text,
    /// One JSON object per line on stderr.
    Json,
}

impl LogFormat {
    /// The formats by their names in `config.toml`.
    pub(crate) const WORDS: [(&str, Self); 4] =
        [("auto", Self::Auto), ("journald", Self::Journald), ("text", Self::Text), ("json", Self::Json)];
}

/// Starts logging with the filter in `SSOD_LOG`. A second call changes nothing.
pub fn init(format: LogFormat) {
    let filter =
        EnvFilter::builder().with_env_var("SSOD_LOG").with_default_directive(tracing::Level::INFO.into());
    // At level debug, the crate notify logs each change in a watched folder. If the log file is in such a folder, each
    // line would cause the next one.
    let notify_limit = "notify=info".parse().unwrap_or_else(|_| tracing::Level::INFO.into());
    let filter = filter.from_env_lossy().add_directive(notify_limit);
    let under_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    // try_init fails only if logging was started already.
    if format == LogFormat::Journald || format == LogFormat::Auto && under_journal {
        if let Ok(journal) = tracing_journald::layer() {
            let journal = journal.with_field_prefix(None);
            let _ = tracing_subscriber::registry().with(filter).with(journal).try_init();
        } else {
            // Without the journal's socket, stderr is still the journal's stream, which adds its own times.
            let _ = lines(filter).without_time().try_init();
        }
    } else if format == LogFormat::Json {
        let _ = lines(filter).json().try_init();
    } else {
        let _ = lines(filter).try_init();
    }
}

/// Returns a subscriber that writes lines to stderr.
fn lines(
    filter: EnvFilter,
) -> SubscriberBuilder<DefaultFields, Format<Full>, EnvFilter, fn() -> std::io::Stderr> {
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr as fn() -> std::io::Stderr)
        .with_ansi(false)
        .with_target(false)
}
