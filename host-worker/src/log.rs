//! The log: JSON lines on standard error, with the fields of the spans that an event is in; and the spans, for a
//! collector of traces.

use framelift_telemetry::Telemetry;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::config::Log;

/// Starts logging, and sending spans; a second call changes nothing.
pub fn init(log: &Log, telemetry: &Telemetry) {
    let filter = EnvFilter::builder().parse_lossy(&log.level.0);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(true)
        .with_writer(std::io::stderr)
        .with_filter(filter);
    let _ = tracing_subscriber::registry().with(lines).with(telemetry.layer()).try_init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let text = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(panic = text, place, "a thread panicked");
    }));
}
