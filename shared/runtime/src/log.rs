use crate::metrics;
use std::io::Write;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Sends what is logged to `writer` as JSON lines, with the fields of the invocation's span in each, and metrics among them where
/// so much is logged. `RUST_LOG` (or `AWS_LAMBDA_LOG_LEVEL`) sets the level by its plain name; without it, it is `default`; of a
/// release, there is nothing below `INFO` to see. A second call changes nothing.
pub fn log_json_lines<W: Write + 'static>(writer: fn() -> W, default: LevelFilter) {
    let level = ["RUST_LOG", "AWS_LAMBDA_LOG_LEVEL"]
        .iter()
        .find_map(|name| std::env::var(name).ok()?.parse::<LevelFilter>().ok())
        .unwrap_or(default);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_target(false)
        .with_writer(writer);
    let _ = tracing_subscriber::registry().with(level).with(lines).try_init();
    if level >= LevelFilter::INFO {
        metrics::write_to(writer);
    }
}

/// Sends what is logged to standard output, where Lambda takes it from, and metrics whatever the level.
pub fn log_to_stdout() {
    metrics::write_to(std::io::stdout);
    log_json_lines(std::io::stdout, LevelFilter::INFO);
}
