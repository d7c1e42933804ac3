//! A handler's error: problem code, detail, headers, and a cause for the log.

use std::borrow::Cow;
use std::fmt::Display;

use bytes::Bytes;
use framelift_contract::problem::{self, FieldError, Problem, ProblemCode};
use framelift_domain::CorrelationId;
use http::header::{ALLOW, CONTENT_RANGE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::json;

use super::body::BodyError;
use super::incoming::Incoming;
use super::log::{Level, log};
use crate::ports::Unavailable;
use crate::store::{Damaged, StoreError};

/// Seconds after which a request that failed because of a store or queue may be retried.
const UNAVAILABLE_RETRY_S: u32 = 2;

/// The error of a handler, which becomes a problem document.
#[derive(Debug)]
pub struct Failure {
    code: ProblemCode,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    retry_after_s: Option<u32>,
    /// A header that belongs to the problem.
    header: Option<Box<(HeaderName, String)>>,
    cause: Option<String>,
}

impl Failure {
    /// A problem of that code; `detail` is shown to the client.
    pub fn new(code: ProblemCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_s: None,
            header: None,
            cause: None,
        }
    }

    /// A body or query that does not validate.
    pub fn validation(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [only] => format!("{}: {}", only.pointer, only.detail).into(),
            _ => Cow::Borrowed("see errors for what does not validate"),
        };
        Self { errors, ..Self::new(ProblemCode::ValidationFailed, detail) }
    }

    /// One field that does not validate.
    pub fn field(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::validation(vec![FieldError::new(pointer, detail)])
    }

    /// Prepends `prefix` to the pointers, for a value that is nested in the request.
    pub fn within(mut self, prefix: &str) -> Self {
        if self.errors.is_empty() {
            return self;
        }
        for error in &mut self.errors {
            error.pointer.insert_str(0, prefix);
        }
        Self::validation(self.errors)
    }

    /// A missing or invalid credential (401 with `WWW-Authenticate`).
    pub fn unauthenticated(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ProblemCode::Unauthenticated, detail)
    }

    /// An internal error (500). The cause is logged and not shown.
    pub fn internal(cause: impl Display) -> Self {
        Self::new(ProblemCode::Internal, "the fault is ours and was logged").because(cause)
    }

    /// The component's variables are invalid, so it can answer nothing until they are corrected.
    pub fn unconfigured(cause: impl Display) -> Self {
        Self::new(ProblemCode::Unavailable, "the service is not configured").retry_after(60).because(cause)
    }

    /// 416: the range begins behind the end of `length` bytes.
    pub fn range_not_satisfiable(length: u64) -> Self {
        let detail = format!("there are {length} bytes");
        let header = Some(Box::new((CONTENT_RANGE, format!("bytes */{length}"))));
        Self { header, ..Self::new(ProblemCode::RangeNotSatisfiable, detail) }
    }

    /// 405: the path has other methods, which `allow` lists.
    pub fn method_not_allowed(allow: String) -> Self {
        let detail = format!("the methods here are {allow}");
        Self { header: Some(Box::new((ALLOW, allow))), ..Self::new(ProblemCode::MethodNotAllowed, detail) }
    }

    /// Adds `Retry-After`.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds.max(1));
        self
    }

    /// Adds a cause for the log, which clients do not see.
    #[must_use]
    pub fn because(mut self, cause: impl Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// The problem's code.
    pub fn code(&self) -> ProblemCode {
        self.code
    }

    /// Logs the failure: 5xx as an error, others as information.
    pub(super) fn log(&self, incoming: &Incoming) {
        let level = if self.code.status() >= 500 { Level::Error } else { Level::Info };
        let mut fields = vec![
            ("http.method", json!(incoming.method().as_str())),
            ("http.path", json!(incoming.path_for_log())),
            ("http.status", json!(self.code.status())),
            ("problem.code", json!(self.code.as_str())),
        ];
        if let Some(cause) = &self.cause {
            fields.push(("cause", json!(cause)));
        }
        if let Some(parent) = incoming.trace_parent() {
            fields.push(("trace_id", json!(parent.trace_id())));
        }
        log(level, self.code.title(), Some(incoming.correlation_id()), &fields);
    }

    /// The problem document with the headers that belong to its status.
    pub fn into_response(self, correlation_id: &CorrelationId) -> Response<Bytes> {
        let problem =
            Problem { errors: self.errors, ..Problem::new(self.code, self.detail, correlation_id.as_str()) };
        // A problem is strings and numbers: writing it as JSON cannot fail.
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = super::bytes(status, HeaderValue::from_static(problem::CONTENT_TYPE), body);
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"framelift\""));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some((name, text)) = self.header.map(|header| *header)
            && let Ok(value) = HeaderValue::try_from(text)
        {
            headers.insert(name, value);
        }
        response
    }
}

impl From<Unavailable> for Failure {
    fn from(error: Unavailable) -> Self {
        Self::new(
            ProblemCode::Unavailable,
            format!("the {} does not answer; send the request again", error.what),
        )
        .retry_after(UNAVAILABLE_RETRY_S)
        .because(error)
    }
}

impl From<Damaged> for Failure {
    fn from(error: Damaged) -> Self {
        Self::new(
            ProblemCode::RecordDamaged,
            "sending the request again will not help; the operator was told",
        )
        .because(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(error) => error.into(),
            StoreError::Damaged(error) => error.into(),
        }
    }
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge(_) => Self::new(ProblemCode::PayloadTooLarge, error.to_string()),
            BodyError::Broken => Self::new(ProblemCode::BadRequest, error.to_string()),
        }
    }
}
