//! Sends spans to a collector by OTLP, if the environment names one by OpenTelemetry's variables, and
//! propagates their context between programs as the W3C's `traceparent`.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Level, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;
use url::Url;

/// Variables that name the collector; the first one wins.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
/// The only supported encoding.
const PROTOCOL: &str = "http/protobuf";
const HEADER: &str = "traceparent";
/// How long sending the last spans may take at shutdown.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(3);

/// The exporter cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("traces: {0}")]
pub struct TelemetryError(String);

/// The exporter of spans; does nothing unless the environment names a collector.
#[derive(Debug)]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
    service: &'static str,
}

/// Returns the problems with the variables about traces, one line each.
pub fn problems(environment: &BTreeMap<String, String>) -> Vec<String> {
    if is_off(environment) {
        return Vec::new();
    }
    let named = |names: [&'static str; 2]| {
        names
            .into_iter()
            .find_map(|name| Some((name, environment.get(name).filter(|value| !value.is_empty())?)))
    };
    let mut problems = Vec::new();
    if let Some((name, endpoint)) = named(ENDPOINTS) {
        let url = Url::parse(endpoint).ok();
        let usable = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        // The URL itself is not repeated because it may hold a password.
        if !url.as_ref().is_some_and(usable) {
            problems.push(format!("{name}: expected an http or https URL"));
        }
    }
    if let Some((name, protocol)) = named(PROTOCOLS)
        && protocol != PROTOCOL
    {
        problems.push(format!("{name}: expected {PROTOCOL}, the one that is spoken"));
    }
    if let Some(exporter) = environment.get("OTEL_TRACES_EXPORTER").filter(|value| *value != "otlp") {
        problems.push(format!("OTEL_TRACES_EXPORTER: expected otlp or none, not {exporter}"));
    }
    problems
}

/// Whether no spans are sent.
fn is_off(environment: &BTreeMap<String, String>) -> bool {
    let is = |name: &str, value: &str| environment.get(name).is_some_and(|it| it.eq_ignore_ascii_case(value));
    is("OTEL_SDK_DISABLED", "true")
        || is("OTEL_TRACES_EXPORTER", "none")
        || !ENDPOINTS.iter().any(|name| environment.get(*name).is_some_and(|value| !value.is_empty()))
}

impl Telemetry {
    /// Makes the exporter that the environment configures. TLS needs a process-wide provider of `rustls`
    /// first.
    pub fn from_environment(
        service: &'static str,
        version: &'static str,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, TelemetryError> {
        if is_off(environment) {
            return Ok(Self { provider: None, service });
        }
        if let Some(problem) = problems(environment).into_iter().next() {
            return Err(TelemetryError(problem));
        }
        // Headers, certificates, time-outs, samplers and limits are read from the environment by these.
        let exporter = SpanExporter::builder().with_http().with_protocol(Protocol::HttpBinary).build();
        let exporter = exporter.map_err(|error| TelemetryError(error.to_string()))?;
        let mut resource =
            Resource::builder().with_attribute(opentelemetry::KeyValue::new("service.version", version));
        if !environment.contains_key("OTEL_SERVICE_NAME") {
            resource = resource.with_service_name(service);
        }
        let provider =
            SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build());
        Ok(Self { provider: Some(provider.build()), service })
    }

    /// Sends the product's own spans, with the log lines in them.
    pub fn layer<S>(&self) -> Option<impl Layer<S> + Send + Sync + use<S>>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let tracer = self.provider.as_ref()?.tracer(self.service);
        // The exporter's own HTTP client would otherwise trace itself.
        let ours = filter_fn(|meta| *meta.level() <= Level::INFO && meta.target().starts_with("framelift"));
        let layer = tracing_opentelemetry::layer().with_tracer(tracer);
        Some(layer.with_location(false).with_threads(false).with_tracked_inactivity(false).with_filter(ours))
    }

    /// Sends what is left.
    pub fn shutdown(self) {
        if let Some(provider) = self.provider {
            // It does not wait for a collector that does not answer, and there is no log any more to report
            // that.
            let _ = provider.shutdown_with_timeout(FLUSH_TIMEOUT);
        }
    }
}

/// Adds a span that was not entered yet to the trace that `traceparent` names.
pub fn follow(span: &Span, traceparent: &str) {
    let carrier = HashMap::from([(HEADER.to_owned(), traceparent.to_owned())]);
    let context = TraceContextPropagator::new().extract(&carrier);
    if context.has_active_span() {
        // It fails if no spans are sent.
        let _ = span.set_parent(context);
    }
}

/// The `traceparent` for requests made within a span; `None` if no spans are sent.
pub fn traceparent(span: &Span) -> Option<String> {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut carrier);
    carrier.remove(HEADER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn nothing_is_sent_unless_a_collector_is_named() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        for (pairs, on) in [
            (&[][..], false),
            (&[("OTEL_EXPORTER_OTLP_ENDPOINT", "")], false),
            (&[endpoint], true),
            (&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:4318/v1/traces")], true),
            (&[endpoint, ("OTEL_SDK_DISABLED", "true")], false),
            (&[endpoint, ("OTEL_TRACES_EXPORTER", "none")], false),
        ] {
            let environment = environment(pairs);
            assert_eq!(!is_off(&environment), on, "{pairs:?}");
            assert_eq!(problems(&environment), Vec::<String>::new());
        }
    }

    #[test]
    fn what_cannot_be_used_is_told_without_the_url() {
        let told = problems(&environment(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://user:hidden@x"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_TRACES_EXPORTER", "zipkin"),
        ]))
        .join("\n");
        for part in [
            "OTEL_EXPORTER_OTLP_ENDPOINT: expected an http",
            "OTEL_EXPORTER_OTLP_PROTOCOL: expected http/protobuf",
            "OTEL_TRACES_EXPORTER: expected otlp",
        ] {
            assert!(told.contains(part), "{part} is not in\n{told}");
        }
        assert!(!told.contains("hidden"));
    }

    #[test]
    fn a_span_goes_on_with_the_trace_that_is_named() {
        let provider = SdkTracerProvider::builder().build();
        let telemetry = Telemetry { provider: Some(provider), service: "test" };
        let subscriber =
            tracing_subscriber::layer::SubscriberExt::with(tracing_subscriber::registry(), telemetry.layer());
        tracing::subscriber::with_default(subscriber, || {
            let span = tracing::info_span!(target: "framelift_test", "job");
            follow(&span, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
            let caused = span
                .in_scope(|| traceparent(&tracing::info_span!(target: "framelift_test", "inner")).unwrap());
            assert!(caused.starts_with("00-0af7651916cd43dd8448eb211c80319c-"), "{caused}");
            assert!(!caused.contains("b7ad6b7169203331"), "{caused}");
            let malformed = tracing::info_span!(target: "framelift_test", "job");
            follow(&malformed, "nonsense");
            assert!(!traceparent(&malformed).unwrap().contains("0af7651916cd43dd8448eb211c80319c"));
        });
        assert_eq!(traceparent(&tracing::info_span!("nothing listens")), None);
    }
}
