//! Sends requests over HTTP, with retries.

use std::io::Read;
use std::time::Duration;

use anyhow::Context as _;
use backon::ExponentialBuilder;
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{Method, Request, Response, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, BodyReader, SendBody};

use super::error::{Refusal, ServiceError};
use super::retry::{retry, schedule};

/// How long a connection may be idle.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How often and after what delays a request is sent again.
const RETRIES: ExponentialBuilder = schedule(Duration::from_millis(250), Duration::from_secs(2), 4);
/// The object store, in messages.
const STORE: &str = "the object store";
/// Maximum of bytes of an answer.
const MAX_ANSWER_BYTES: u64 = 64 << 20;

/// A request to the API.
pub(crate) struct Call<'a> {
    method: Method,
    path: String,
    content: Content<'a>,
    accept: &'static str,
    headers: Vec<(&'static str, &'a str)>,
    repeatable: bool,
}

enum Content<'a> {
    None,
    Json(Vec<u8>),
    Bytes(&'static str, &'a [u8]),
}

impl<'a> Call<'a> {
    fn new(method: Method, path: impl Into<String>) -> Self {
        let repeatable = method != Method::POST && method != Method::PATCH;
        let accept = "application/json";
        Self { method, path: path.into(), content: Content::None, accept, headers: Vec::new(), repeatable }
    }

    /// `GET path`. The path may have a query.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// `GET path`, which answers with a stream of events, starting after the event with that id.
    pub(crate) fn events(path: impl Into<String>, last_event_id: Option<&'a str>) -> Self {
        let headers = last_event_id.map(|id| ("last-event-id", id)).into_iter().collect();
        Self { accept: "text/event-stream", headers, ..Self::get(path) }
    }

    /// `POST path`.
    pub(crate) fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path)
    }

    /// `PATCH path`.
    pub(crate) fn patch(path: impl Into<String>) -> Self {
        Self::new(Method::PATCH, path)
    }

    /// `PUT path`.
    pub(crate) fn put(path: impl Into<String>) -> Self {
        Self::new(Method::PUT, path)
    }

    /// `DELETE path`.
    pub(crate) fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path)
    }

    /// With a body of JSON.
    pub(crate) fn json(mut self, body: &impl Serialize) -> Result<Self, ServiceError> {
        self.content = Content::Json(serde_json::to_vec(body).context("cannot serialize the request")?);
        Ok(self)
    }

    /// With a body of bytes.
    pub(crate) fn bytes(mut self, media_type: &'static str, bytes: &'a [u8]) -> Self {
        self.content = Content::Bytes(media_type, bytes);
        self
    }

    /// Adds an idempotency key, so that the request can be repeated.
    pub(crate) fn once(mut self, idempotency_key: &'a str) -> Self {
        self.headers.push(("idempotency-key", idempotency_key));
        self.repeatable()
    }

    /// Marks the request as safe to repeat.
    pub(crate) fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }
}

/// A successful answer.
pub(crate) struct Answer {
    server: String,
    body: Vec<u8>,
}

impl Answer {
    /// The body's bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// Parses the body.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, ServiceError> {
        serde_json::from_slice(&self.body).map_err(|error| ServiceError::UnexpectedAnswer {
            server: self.server.clone(),
            answer: format!("what this version does not understand ({error})"),
        })
    }
}

/// An HTTP client with persistent connections.
pub(crate) struct Http {
    agent: Agent,
}

impl Http {
    /// A client with the system's certificates and the proxies from the environment.
    pub(crate) fn new() -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(framelift_contract::ENGINE)
            .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
            .timeout_connect(Some(Duration::from_secs(15)))
            .timeout_recv_response(Some(IDLE_TIMEOUT))
            .timeout_per_read(Some(IDLE_TIMEOUT))
            .timeout_per_write(Some(IDLE_TIMEOUT))
            .build();
        Self { agent: config.new_agent() }
    }

    /// Sends a request, with retries if it is repeatable and the error is temporary. Any other answer than a success is
    /// an error.
    pub(crate) fn send(
        &self,
        server: &str,
        call: &Call<'_>,
        token: Option<&str>,
    ) -> Result<Answer, ServiceError> {
        let attempt = || self.send_once(server, call, token);
        if call.repeatable { retry(RETRIES, attempt, || {}) } else { attempt() }
    }

    fn send_once(&self, server: &str, call: &Call<'_>, token: Option<&str>) -> Result<Answer, ServiceError> {
        let answer = self.open(server, call, token)?;
        Ok(Answer { server: server.to_owned(), body: whole(server, answer)? })
    }

    /// Sends a request once. Returns the answer with an unread body. Any other answer than a success is an error.
    pub(crate) fn open(
        &self,
        server: &str,
        call: &Call<'_>,
        token: Option<&str>,
    ) -> Result<Response<Body>, ServiceError> {
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(format!("{server}{}", call.path))
            .header(header::ACCEPT, call.accept);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        for (name, value) in &call.headers {
            request = request.header(*name, *value);
        }
        let body: &[u8] = match &call.content {
            Content::None => &[],
            Content::Json(bytes) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                bytes
            }
            Content::Bytes(media_type, bytes) => {
                request = request.header(header::CONTENT_TYPE, *media_type);
                bytes
            }
        };
        let answer = match (&call.content, &call.method) {
            (Content::None, &Method::GET | &Method::DELETE) => self.run(server, request.body(())),
            _ => self.run(server, request.body(body)),
        }?;
        let (status, retry_after) = (answer.status(), retry_after(&answer));
        if status.is_success() {
            return Ok(answer);
        }
        match serde_json::from_slice::<Refusal>(&whole(server, answer)?) {
            Ok(refusal) => {
                let refusal = Refusal { status: status.as_u16(), retry_after, ..refusal };
                Err(ServiceError::Refused(Box::new(refusal)))
            }
            Err(_) if matches!(status.as_u16(), 502..=504) => Err(ServiceError::Unreachable {
                server: server.to_owned(),
                reason: format!("status {status}"),
            }),
            Err(_) => Err(ServiceError::UnexpectedAnswer {
                server: server.to_owned(),
                answer: format!("with status {status}"),
            }),
        }
    }

    fn run<B: ureq::AsSendBody>(
        &self,
        server: &str,
        request: Result<Request<B>, ureq::http::Error>,
    ) -> Result<Response<Body>, ServiceError> {
        let request = request.with_context(|| format!("no request can be made to {server}"))?;
        self.agent.run(request).map_err(|error| unreachable(server, &error))
    }

    /// Sends `size` bytes to a presigned URL.
    pub(crate) fn put(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        size: u64,
        bytes: &mut dyn Read,
    ) -> Result<(), ServiceError> {
        let mut request = Request::put(url).header(header::CONTENT_LENGTH, size);
        for (name, value) in headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("content-length")) {
            request = request.header(*name, *value);
        }
        let answer = self.run(STORE, request.body(SendBody::from_reader(bytes)))?;
        match answer.status().as_u16() {
            200..=299 => Ok(()),
            status => Err(store_error(status)),
        }
    }

    /// Reads an object from an offset, by a presigned URL. Returns the body.
    pub(crate) fn read_from(&self, url: &str, offset: u64) -> Result<BodyReader<'static>, ServiceError> {
        let request = Request::get(url).header(header::RANGE, format!("bytes={offset}-"));
        let answer = self.run(STORE, request.body(()))?;
        match answer.status().as_u16() {
            206 => Ok(answer.into_body().into_reader()),
            200 if offset == 0 => Ok(answer.into_body().into_reader()),
            status => Err(store_error(status)),
        }
    }
}

/// The error for an unsuccessful answer of the object store.
fn store_error(status: u16) -> ServiceError {
    match status {
        403 => ServiceError::UrlExpired,
        429 | 500..=599 => {
            ServiceError::Unreachable { server: STORE.to_owned(), reason: format!("status {status}") }
        }
        _ => ServiceError::UnexpectedAnswer {
            server: STORE.to_owned(),
            answer: format!("with status {status}"),
        },
    }
}

/// Reads the body of an answer.
fn whole(server: &str, answer: Response<Body>) -> Result<Vec<u8>, ServiceError> {
    let body = answer.into_body().into_with_config().limit(MAX_ANSWER_BYTES).read_to_vec();
    body.map_err(|error| unreachable(server, &error))
}

/// Why there was no answer, in words.
fn unreachable(server: &str, error: &ureq::Error) -> ServiceError {
    ServiceError::Unreachable { server: server.to_owned(), reason: error.to_string() }
}

fn retry_after(answer: &Response<Body>) -> Option<Duration> {
    let seconds = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
