//! The host's log: JSON lines on standard error, guests' own JSON lines among them.

use std::fmt::{self, Write as _};

use framelift_edge_host::GUEST_LOG;
use framelift_telemetry::Telemetry;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer as _};

/// Sends the log to standard error; `RUST_LOG` narrows it.
pub(crate) fn to_stderr(telemetry: &Telemetry) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = subscriber(filter, std::io::stderr).with(telemetry.layer());
    tracing::subscriber::set_global_default(log).unwrap_or_else(|_| unreachable!("nobody else sets one"));
}

fn subscriber<W>(filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync + for<'a> LookupSpan<'a>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .map_event_format(Lines)
        .with_writer(writer)
        .with_filter(filter);
    tracing_subscriber::registry().with(lines)
}

/// Writes a guest's JSON line as it is, with time and component, and everything else by another format: a
/// line within a line is read by no tool.
struct Lines<Other>(Other);

impl<S, N, Other> FormatEvent<S, N> for Lines<Other>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    Other: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if event.metadata().target() == GUEST_LOG {
            let mut line = GuestLine::default();
            event.record(&mut line);
            if let Ok(mut fields) = serde_json::from_str::<Map<String, Value>>(&line.message) {
                let mut time = String::new();
                SystemTime.format_time(&mut Writer::new(&mut time))?;
                fields.insert("timestamp".into(), time.into());
                fields.insert("component".into(), line.component.into());
                return writeln!(writer, "{}", Value::Object(fields));
            }
        }
        self.0.format_event(context, writer, event)
    }
}

#[derive(Default)]
struct GuestLine {
    message: String,
    component: String,
}

impl Visit for GuestLine {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "component" {
            value.clone_into(&mut self.component);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_guests_json_is_not_quoted_again() {
        let written = Written::default();
        let writer = written.clone();
        let log = subscriber(EnvFilter::new("info"), move || writer.clone());
        tracing::subscriber::with_default(log, || {
            let line = r#"{"correlation_id":"c-1","level":"warn","message":"two\nlines"}"#;
            tracing::info!(target: GUEST_LOG, component = "videos", stream = "stderr", "{line}");
            tracing::info!(target: GUEST_LOG, component = "videos", stream = "stderr", "plain words");
            tracing::info!(port = 1, "the host's own");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let [guest, plain, own] = lines.as_slice() else { panic!("{text}") };
        assert_eq!((&guest["message"], &guest["level"]), (&"two\nlines".into(), &"warn".into()));
        assert_eq!((&guest["component"], &guest["correlation_id"]), (&"videos".into(), &"c-1".into()));
        assert!(guest["timestamp"].is_string());
        assert_eq!((&plain["message"], &plain["component"]), (&"plain words".into(), &"videos".into()));
        assert_eq!(own["message"], "the host's own");
    }
}
