//! The HTTP base of every component: routing, correlation ids, bodies, credentials, problem documents.
//!
//! A component is made of its endpoints by the macro `component!`, whose `serve` hands each request to [`answer`]:
//! that finds the endpoint, calls its handler with an [`Incoming`] and turns the result into a response.
//! Every response carries `X-Correlation-Id`; every error becomes a problem document and is logged once,
//! here.

mod answer_body;
mod body;
mod component;
pub(crate) mod configured;
mod cors;
mod credential;
mod etag;
mod failure;
mod incoming;
mod log;
mod parse;
mod query;
mod quota;
mod route;
mod strict;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde::Serialize;

pub use answer_body::{AnswerBody, Body, BodyAborted};
pub(crate) use body::declared_length;
pub use body::{BodyError, MAX_JSON_BYTES, RequestBody, collect};
pub(crate) use component::component;
pub use cors::{Cors, InvalidOrigin};
pub use credential::{Caller, WorkerToken};
pub(crate) use etag::{entity_tag, if_none_match};
pub use failure::Failure;
pub use incoming::Incoming;
#[cfg(feature = "testing")]
pub use log::take_lines;
pub use log::{Level, log};
pub(crate) use parse::parse_json;
pub use query::Query;
pub(crate) use quota::Quota;
pub use route::{Found, InvalidRoutes, Params, Route, Router, RouterOnce};

use crate::ports::Ambient;

/// The header with the correlation id, in requests and answers.
pub const CORRELATION_HEADER: HeaderName = HeaderName::from_static("x-correlation-id");
/// The header with the caller's trace context (W3C Trace Context).
const TRACE_HEADER: HeaderName = HeaderName::from_static("traceparent");

/// Answers one request: finds the endpoint, calls `handler` with its position in the router's list, maps a
/// failure to its problem document. `HEAD` is served by the endpoint of `GET`, without the body.
pub async fn answer<B, T: AnswerBody>(
    router: &Result<Router, InvalidRoutes>,
    ambient: &impl Ambient,
    parts: Parts,
    body: B,
    handler: impl AsyncFnOnce(usize, &mut Incoming, B) -> Result<Response<T>, Failure>,
) -> Response<T> {
    let mut incoming = Incoming::new(parts, ambient);
    let router = router.as_ref().map_err(Failure::internal);
    let result = match router.and_then(|router| router.find(incoming.method(), incoming.path())) {
        Ok(Found::Endpoint(endpoint, params)) => {
            incoming.set_params(params);
            handler(endpoint, &mut incoming, body).await
        }
        Ok(Found::Options(allow)) => options(&allow).map(|response| response.map(T::from)),
        Err(failure) => Err(failure),
    };
    finish(result, &incoming)
}

/// The answer to `OPTIONS`: the methods of the path.
fn options(allow: &str) -> Result<Response<Bytes>, Failure> {
    let mut response = empty(StatusCode::NO_CONTENT);
    response
        .headers_mut()
        .insert(http::header::ALLOW, HeaderValue::try_from(allow).map_err(Failure::internal)?);
    Ok(response)
}

/// Completes an answer: correlation id, problem document, log line, defaults of caching, length.
///
/// With a length, the host sends head and body in one segment. Without it, the host sends chunks. If it has not set
/// `TCP_NODELAY`, the last, empty chunk waits for the client's delayed acknowledgement: 40 ms for every small answer.
fn finish<T: AnswerBody>(result: Result<Response<T>, Failure>, incoming: &Incoming) -> Response<T> {
    let mut response = match result {
        Ok(response) => response,
        Err(failure) => {
            failure.log(incoming);
            failure.into_response(incoming.correlation_id()).map(T::from)
        }
    };
    decorate(&mut response, incoming);
    if let Some(quota) = incoming.quota() {
        quota.add_headers(response.headers_mut());
    }
    if incoming.method() == http::Method::HEAD {
        // Without a body, a length is sent only if the handler set one.
        *response.body_mut() = T::from(Bytes::new());
    } else if let Some(length) = response.body().whole_length().filter(|_| may_have_length(response.status()))
    {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}

/// Whether a response of that status has a `Content-Length`: 204 must not have one, and that of a 304
/// would be the length of the full response (RFC 9110, section 8.6).
fn may_have_length(status: StatusCode) -> bool {
    !(status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED))
}

/// Security headers of every answer, unless the handler sets others: no caching, no MIME sniffing, CSP
/// `default-src 'none'`, no framing, no referrer.
const DEFAULTS: [(HeaderName, &str); 4] = [
    (CACHE_CONTROL, "no-store"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (REFERRER_POLICY, "no-referrer"),
];
/// For a year, browsers come by https alone. Subdomains may be other services.
const HTTPS_ALONE: &str = "max-age=31536000";

/// Sets the headers that every response has.
fn decorate<B>(response: &mut Response<B>, incoming: &Incoming) {
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(incoming.correlation_id().as_str()) {
        headers.insert(CORRELATION_HEADER, value);
    }
    for (name, value) in DEFAULTS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    // Over plain http the header must not be sent (RFC 6797, section 7.2).
    if incoming.came_by_https() {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(HTTPS_ALONE));
    }
}

/// An answer with a JSON body.
pub fn json(status: StatusCode, body: &impl Serialize) -> Result<Response<Bytes>, Failure> {
    let body = serde_json::to_vec(body).map_err(Failure::internal)?;
    Ok(bytes(status, HeaderValue::from_static("application/json"), body))
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

/// An answer with a body of that media type.
pub fn bytes(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

#[cfg(test)]
pub(crate) mod tests;
