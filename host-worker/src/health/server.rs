//! The listener of `/health/live`, `/health/ready` and `/metrics`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Metrics, Readiness};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How long requests under way may take when the worker stops.
const GRACE: Duration = Duration::from_secs(1);

/// Serves until `cancel`.
pub(crate) async fn serve(
    listener: TcpListener,
    readiness: Arc<Readiness>,
    metrics: Arc<Metrics>,
    cancel: CancellationToken,
) {
    framelift_listener::serve(listener, cancel, GRACE, |stream, _, watcher| {
        let (readiness, metrics) = (readiness.clone(), metrics.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let response = answer(&request, &readiness, &metrics);
            async move { Ok::<_, Infallible>(response) }
        });
        framelift_listener::http1(stream, watcher, service)
    })
    .await;
}

fn answer<B>(request: &Request<B>, readiness: &Readiness, metrics: &Metrics) -> Response<Full<Bytes>> {
    const JSON: &str = "application/json";
    let (status, kind, body) = match (request.uri().path(), request.method()) {
        ("/health/live" | "/health/ready" | "/metrics", method)
            if method != Method::GET && method != Method::HEAD =>
        {
            (StatusCode::METHOD_NOT_ALLOWED, JSON, r#"{"status":"method-not-allowed"}"#.to_owned())
        }
        ("/health/live", _) => (StatusCode::OK, JSON, r#"{"status":"live"}"#.to_owned()),
        ("/health/ready", _) => {
            let (ready, report) = readiness.report();
            let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            (status, JSON, report.to_string())
        }
        ("/metrics", _) => (StatusCode::OK, OPEN_METRICS, metrics.text()),
        _ => (StatusCode::NOT_FOUND, JSON, r#"{"status":"not-found"}"#.to_owned()),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::super::Dependency;
    use super::*;

    fn status(method: Method, path: &str, readiness: &Readiness, metrics: &Metrics) -> u16 {
        let request = Request::builder().method(method).uri(path).body(()).unwrap();
        answer(&request, readiness, metrics).status().as_u16()
    }

    #[test]
    fn the_routes() {
        let (readiness, metrics) = (Readiness::default(), Metrics::new("w"));
        let get = |path| status(Method::GET, path, &readiness, &metrics);
        assert_eq!(
            [get("/health/live"), get("/health/ready"), get("/metrics"), get("/x")],
            [200, 503, 200, 404]
        );
        assert_eq!(status(Method::POST, "/metrics", &readiness, &metrics), 405);
        Dependency::ALL.iter().for_each(|dependency| readiness.record(*dependency, Ok(())));
        assert_eq!([get("/health/live"), get("/health/ready")], [200, 200]);
        readiness.set_draining();
        assert_eq!([get("/health/live"), get("/health/ready")], [200, 503]);
    }
}
