//! Requests and answers over HTTP, and which of them are sent again.

use std::io::Read;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::{Method, Request, Response, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, BodyReader, SendBody};

use super::error::{Refusal, ServiceError};

/// How long there may be silence on a connection.
const SILENCE: Duration = Duration::from_secs(60);
/// Waits before a request is sent again, unless the answer says how long.
const WAITS_MS: [u64; 4] = [250, 500, 1000, 2000];
/// Who asks to wait for longer than this is not waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
/// No answer of the API is larger.
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

    /// `GET path`; a query stands behind the path.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    /// `GET path`, which answers with a stream of events: those behind the one with that id.
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
        self.content = Content::Json(serde_json::to_vec(body).context("the request has no JSON form")?);
        Ok(self)
    }

    /// With a body of bytes.
    pub(crate) fn bytes(mut self, media_type: &'static str, bytes: &'a [u8]) -> Self {
        self.content = Content::Bytes(media_type, bytes);
        self
    }

    /// Done once, however often it is sent.
    pub(crate) fn once(mut self, idempotency_key: &'a str) -> Self {
        self.headers.push(("idempotency-key", idempotency_key));
        self.repeatable()
    }

    /// Does no harm when it is sent again.
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
    /// Its body as it came.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// Its body.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, ServiceError> {
        serde_json::from_slice(&self.body).map_err(|error| ServiceError::Strange {
            server: self.server.clone(),
            answer: format!("what this version does not understand ({error})"),
        })
    }
}

/// Connections, which are kept open between requests.
pub(crate) struct Http {
    agent: Agent,
}

impl Http {
    /// Trusts the certificates that the system trusts, and takes the proxies that the environment names.
    pub(crate) fn new() -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(framelift_contract::ENGINE)
            .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
            .timeout_connect(Some(Duration::from_secs(15)))
            .timeout_recv_response(Some(SILENCE))
            .timeout_per_read(Some(SILENCE))
            .timeout_per_write(Some(SILENCE))
            .build();
        Self { agent: config.new_agent() }
    }

    /// Sends a request, and again where that does no harm and may do better. An answer that is no success is
    /// an error.
    pub(crate) fn send(
        &self,
        server: &str,
        call: &Call<'_>,
        token: Option<&str>,
    ) -> Result<Answer, ServiceError> {
        let mut waits = WAITS_MS.into_iter();
        loop {
            let error = match self.send_once(server, call, token) {
                Err(error) if call.repeatable && error.is_temporary() => error,
                done => return done,
            };
            let asked = match &error {
                ServiceError::Refused(refusal) => refusal.retry_after,
                _ => None,
            };
            let Some(wait) = waits.next().map(|wait| asked.unwrap_or(Duration::from_millis(wait))) else {
                return Err(error);
            };
            if wait > LONGEST_WAIT {
                return Err(error);
            }
            tracing::debug!(?wait, ?error, "sends a request again");
            std::thread::sleep(wait);
        }
    }

    fn send_once(&self, server: &str, call: &Call<'_>, token: Option<&str>) -> Result<Answer, ServiceError> {
        let answer = self.open(server, call, token)?;
        Ok(Answer { server: server.to_owned(), body: whole(server, answer)? })
    }

    /// Sends a request once; the answer, whose body has not been read. One that is no success is an error.
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
            Err(_) => Err(ServiceError::Strange {
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

    /// Sends `size` bytes to a presigned URL; the answer's status.
    pub(crate) fn put(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        size: u64,
        bytes: &mut dyn Read,
    ) -> Result<u16, ServiceError> {
        let mut request = Request::put(url).header(header::CONTENT_LENGTH, size);
        for (name, value) in headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("content-length")) {
            request = request.header(*name, *value);
        }
        let answer = self.run("the object store", request.body(SendBody::from_reader(bytes)))?;
        Ok(answer.status().as_u16())
    }

    /// Reads an object from a byte on, by a presigned URL; the answer's status and the bytes.
    pub(crate) fn read_from(
        &self,
        url: &str,
        offset: u64,
    ) -> Result<(u16, BodyReader<'static>), ServiceError> {
        let request = Request::get(url).header(header::RANGE, format!("bytes={offset}-"));
        let answer = self.run("the object store", request.body(()))?;
        let status = answer.status().as_u16();
        Ok((status, answer.into_body().into_reader()))
    }
}

/// The body of an answer.
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
