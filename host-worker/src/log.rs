//! The log: JSON lines on standard error, with the fields of the spans that an event is in.

use tracing_subscriber::EnvFilter;

use crate::config::Log;

/// Starts logging; a second call changes nothing.
pub fn init(log: &Log) {
    let filter = EnvFilter::builder().parse_lossy(&log.level.0);
    let _ = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(true)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let text = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(panic = text, place, "a thread panicked");
    }));
}
