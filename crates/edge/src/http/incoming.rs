//! One request as a handler sees it: correlation id, parameters, query, credentials, JSON body.

use std::cell::Cell;

use bytes::Bytes;
use framelift_contract::problem::ProblemCode;
use framelift_domain::{CorrelationId, Time, TraceParent, VideoId};
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde::de::DeserializeOwned;

use super::body::{BodyError, MAX_JSON_BYTES, collect};
use super::credential::{Caller, WorkerToken};
use super::failure::Failure;
use super::parse::parse_json;
use super::query::Query;
use super::quota::Quota;
use super::route::Params;
use super::{CORRELATION_HEADER, TRACE_HEADER};
use crate::ports::Ambient;
use crate::token::Verifier;

/// The header in which a proxy that ends TLS says so.
const FORWARDED_PROTO: &str = "x-forwarded-proto";
/// The prefix of paths of links. Such a path is a credential.
const LINKS: &str = "/f/";

/// One request: its head, the parameters of its path, and its body once it is read.
#[derive(Debug)]
pub struct Incoming {
    correlation_id: CorrelationId,
    parts: Parts,
    params: Params,
    body: Result<Bytes, BodyError>,
    quota: Cell<Option<Quota>>,
}

impl Incoming {
    /// A request whose body is not read yet. Uses the caller's correlation id or makes one.
    pub fn new(parts: Parts, ambient: &impl Ambient) -> Self {
        let correlation_id = correlation_id(&parts.headers, ambient);
        Self {
            correlation_id,
            parts,
            params: Params::default(),
            body: Ok(Bytes::new()),
            quota: Cell::new(None),
        }
    }

    /// Sets the caller's rate limit for the answer.
    pub(crate) fn set_quota(&self, quota: Quota) {
        self.quota.set(Some(quota));
    }

    /// The caller's rate limit, if there is one.
    pub(super) fn quota(&self) -> Option<Quota> {
        self.quota.get()
    }

    /// Adds the parameters of the path.
    pub(super) fn set_params(&mut self, params: Params) {
        self.params = params;
    }

    /// Reads the body, up to the limit for JSON. The methods that return the body report the error.
    pub(crate) async fn read(&mut self, body: impl http_body::Body<Data = Bytes>) {
        self.body = collect(&self.parts.headers, body, MAX_JSON_BYTES).await;
    }

    /// The correlation id.
    pub fn correlation_id(&self) -> &CorrelationId {
        &self.correlation_id
    }

    /// The trace that the caller names; none where that is malformed or named twice.
    pub fn trace_parent(&self) -> Option<TraceParent> {
        let mut named = self.parts.headers.get_all(TRACE_HEADER).iter();
        let only = named.next().filter(|_| named.next().is_none())?;
        only.to_str().ok()?.parse().ok()
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.parts.method
    }

    /// The path, as it was sent.
    pub fn path(&self) -> &str {
        self.parts.uri.path()
    }

    /// The path without credentials: a link to a frame is shortened.
    pub(crate) fn path_for_log(&self) -> &str {
        if self.path().starts_with(LINKS) { "/f/…" } else { self.path() }
    }

    /// Whether the client came by https: to the host itself, or to the proxy in front of it that ends TLS and says so in
    /// `X-Forwarded-Proto`. Without a proxy, a client that sends the header changes only the answer to that request.
    pub(super) fn came_by_https(&self) -> bool {
        let is_forwarded = self.parts.headers.get(FORWARDED_PROTO).is_some_and(|value| value == "https");
        is_forwarded || self.parts.uri.scheme() == Some(&Scheme::HTTPS)
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.parts.headers
    }

    /// The text of a header; 400 if it occurs more than once or is not text.
    pub fn header(&self, name: &HeaderName) -> Result<Option<&str>, Failure> {
        let bad = |what: &str| Failure::new(ProblemCode::BadRequest, format!("the header {name} {what}"));
        let mut values = self.parts.headers.get_all(name).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(bad("must occur once"));
        }
        value.to_str().map(Some).map_err(|_| bad("must be visible ASCII"))
    }

    /// A parameter of the path.
    pub fn param(&self, name: &str) -> &str {
        self.params.get(name)
    }

    /// The video that the path's `{id}` names; 404 if it is not a well-formed id.
    pub fn video_id(&self) -> Result<VideoId, Failure> {
        self.param("id")
            .parse()
            .map_err(|_| Failure::new(ProblemCode::VideoNotFound, "there is no video with this id"))
    }

    /// The query; 422 if it has a name that is not in `known`.
    pub fn query(&self, known: &[&str]) -> Result<Query, Failure> {
        Query::parse(self.parts.uri.query(), known)
    }

    /// The raw body; 413 for one that is too large, 400 for one that ended early.
    pub fn body(&self) -> Result<&Bytes, Failure> {
        self.body.as_ref().map_err(|error| (*error).into())
    }

    /// The body as `T`: 415 for another media type, 400 for what is not JSON, 422 with a
    /// pointer for what is not a `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let body = self.body()?;
        self.check_content_type()?;
        self.check_not_coded()?;
        parse_json(body)
    }

    /// The body as `T`, or `T`'s default when there is no body.
    pub fn json_or_default<T: DeserializeOwned + Default>(&self) -> Result<T, Failure> {
        if self.body()?.is_empty() { Ok(T::default()) } else { self.json() }
    }

    /// The caller, by the access token; 401 otherwise. Whether the account still exists is for
    /// the handler to ask its store.
    pub fn user(&self, verifier: &Verifier, now: Time) -> Result<Caller, Failure> {
        let claims = verifier.verify(self.bearer()?, now).map_err(|error| {
            Failure::unauthenticated("the access token is malformed, expired or not ours").because(error)
        })?;
        Ok(Caller {
            id: claims.user,
            email: claims.email,
            token: claims.id,
            session: claims.session,
            email_verified: claims.email_verified,
            expires_at: Time::from_unix_ms(claims.expires_s.saturating_mul(1000)),
        })
    }

    /// Passes if the worker credential came with the request; 401 otherwise.
    pub fn worker(&self, token: &WorkerToken) -> Result<(), Failure> {
        if token.matches(self.bearer()?) {
            Ok(())
        } else {
            Err(Failure::unauthenticated("this call needs the worker credential"))
        }
    }

    /// The token of `Authorization: Bearer …`; 401 otherwise.
    fn bearer(&self) -> Result<&str, Failure> {
        let malformed = || Failure::unauthenticated("send one header \"Authorization: Bearer <token>\"");
        let value = self.header(&AUTHORIZATION).map_err(|_| malformed())?.ok_or_else(malformed)?;
        let (scheme, token) = value.split_once(' ').ok_or_else(malformed)?;
        let token = token.trim();
        if scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() { Ok(token) } else { Err(malformed()) }
    }

    /// Passes for JSON, or without a media type; 415 otherwise.
    fn check_content_type(&self) -> Result<(), Failure> {
        let Some(value) = self.parts.headers.get(CONTENT_TYPE) else { return Ok(()) };
        let essence =
            value.to_str().unwrap_or("").split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        let is_json = essence == "application/json"
            || (essence.starts_with("application/") && essence.ends_with("+json"));
        if is_json {
            Ok(())
        } else {
            Err(Failure::new(ProblemCode::UnsupportedMediaType, "send the body as application/json"))
        }
    }

    /// Passes for an uncompressed body; 415 for a compressed one (RFC 9110, section 8.4).
    pub fn check_not_coded(&self) -> Result<(), Failure> {
        let plain = |value: &HeaderValue| {
            value.to_str().is_ok_and(|coding| coding.trim().eq_ignore_ascii_case("identity"))
        };
        if self.parts.headers.get_all(CONTENT_ENCODING).iter().all(plain) {
            return Ok(());
        }
        let detail = "send the body as it is, without Content-Encoding: compressed bodies are not read";
        Err(Failure::new(ProblemCode::UnsupportedMediaType, detail))
    }
}

/// The caller's correlation id if it is well-formed, else a new one (UUIDv7).
fn correlation_id(headers: &HeaderMap, ambient: &impl Ambient) -> CorrelationId {
    let sent = headers.get(CORRELATION_HEADER).and_then(|value| value.to_str().ok()?.parse().ok());
    sent.unwrap_or_else(|| {
        let mut random = [0; 10];
        ambient.fill_random(&mut random);
        let id = VideoId::new(ambient.now().unix_ms().unsigned_abs(), random).to_string();
        match id.parse() {
            Ok(id) => id,
            Err(_) => unreachable!("a UUID's text is a well-formed correlation id"),
        }
    })
}
