//! Reads a file from a request: from its body, or from a field of a form.

use bytes::Bytes;
use framelift_contract::options::OptionsBody;
use framelift_contract::problem::{FieldError, ProblemCode};
use framelift_domain::Options;
use futures::StreamExt as _;
use http::HeaderValue;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use http_body::Body;
use http_body_util::BodyDataStream;
use multer::{Constraints, Field, Multipart, SizeLimit};

use crate::http::{Failure, Incoming, MAX_JSON_BYTES, RequestBody, parse_json};
use crate::service::request;
use crate::service::stream::{RawBody, Source, broken};

/// Maximum of bytes of a form besides its file.
const FORM_OVERHEAD_BYTES: u64 = 1 << 20;

/// Maximum of bytes of a form whose file has at most `limit` bytes.
pub(super) const fn most_bytes(limit: u64) -> u64 {
    limit.saturating_add(FORM_OVERHEAD_BYTES)
}

/// The file of a request as it arrives.
pub(super) enum File<B> {
    /// The body itself.
    Raw(RawBody<B>),
    /// A field of a form.
    Field(Box<Field<'static>>),
}

impl<B> Source for File<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        match self {
            Self::Raw(body) => body.next().await,
            Self::Field(field) => field.chunk().await.map_err(|error| form_failure(&error)),
        }
    }
}

/// The failure of a malformed form.
pub(super) fn form_failure(error: &multer::Error) -> Failure {
    match error {
        multer::Error::FieldSizeExceeded { .. } | multer::Error::StreamSizeExceeded { .. } => {
            Failure::new(ProblemCode::PayloadTooLarge, "a field of the form is too large")
        }
        multer::Error::StreamReadFailed(_) | multer::Error::IncompleteStream => broken(),
        _ => Failure::new(ProblemCode::BadRequest, format!("the form is malformed: {error}")),
    }
}

/// The boundary of a form; none if the body is not a form.
pub(super) fn boundary(incoming: &Incoming) -> Result<Option<String>, Failure> {
    let Some(value) = incoming.header(&CONTENT_TYPE)? else { return Ok(None) };
    let essence = value.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("multipart/form-data") {
        return Ok(None);
    }
    let malformed = |_| Failure::new(ProblemCode::BadRequest, "the form has no well-formed boundary");
    multer::parse_boundary(value).map(Some).map_err(malformed)
}

/// A form whose file may have that many bytes.
pub(super) fn form(body: impl RequestBody, boundary: String, limit: u64) -> Multipart<'static> {
    let sizes = SizeLimit::new().whole_stream(most_bytes(limit)).for_field("options", MAX_JSON_BYTES as u64);
    let constraints = Constraints::new().size_limit(sizes);
    let pieces = BodyDataStream::new(body).map(|piece| piece.map_err(Into::into));
    Multipart::with_constraints(pieces, boundary, constraints)
}

/// Parses options from JSON text; pointers of all errors start with `prefix`.
pub(super) fn options(text: &[u8], prefix: &str) -> Result<Options, Failure> {
    let body: OptionsBody = parse_json(text).map_err(|failure| failure.within(prefix))?;
    request::options(Some(&body), prefix).map_err(Failure::validation)
}

/// The name that the form gives its file.
pub(super) fn file_name(field: &Field<'_>) -> Result<String, Failure> {
    if let Some(name) = field.file_name() {
        return Ok(name.to_owned());
    }
    let disposition = field.headers().get(CONTENT_DISPOSITION).map_or(&b""[..], HeaderValue::as_bytes);
    let detail = if std::str::from_utf8(disposition).is_err() {
        "has a file name that is not UTF-8"
    } else {
        "needs a file name"
    };
    Err(Failure::field("/file", detail))
}

/// The failure of a form with an unexpected or repeated field.
pub(super) fn unexpected(field: &Field<'_>) -> Failure {
    let name: String = field.name().unwrap_or_default().chars().take(64).collect();
    let detail = "the form has the fields file and options, each once";
    Failure::validation(vec![FieldError::new(format!("/{name}"), detail)])
}
