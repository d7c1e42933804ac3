//! Problem documents (RFC 9457): the list of all problems of the API.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The media type of a problem document.
pub const CONTENT_TYPE: &str = "application/problem+json";

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $title:literal;)*) => {
        /// A problem's code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum ProblemCode { $($(#[$doc])* $name,)* }

        impl ProblemCode {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The code's spelling.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The HTTP status that it is answered with.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// A short, fixed summary.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

problems! {
    /// The body is not JSON.
    MalformedJson = "malformed-json", 400, "The body is not well-formed JSON";
    /// The request cannot be read as HTTP intends (a header, the query, the form).
    BadRequest = "bad-request", 400, "The request is malformed";
    /// The body or the query does not validate.
    ValidationFailed = "validation-failed", 422, "The request does not validate";
    /// No token, or an invalid one.
    Unauthenticated = "unauthenticated", 401, "A valid access token is required";
    /// The caller may not do this.
    Forbidden = "forbidden", 403, "This credential may not do that";
    /// No such route.
    NotFound = "not-found", 404, "There is nothing here";
    /// The route exists, the method does not.
    MethodNotAllowed = "method-not-allowed", 405, "The method is not allowed here";
    /// The body is larger than its limit.
    PayloadTooLarge = "payload-too-large", 413, "The body is too large";
    /// The body's media type is not understood.
    UnsupportedMediaType = "unsupported-media-type", 415, "The body's media type is not supported";
    /// The e-mail address has an account already.
    EmailTaken = "email-taken", 409, "The e-mail address is taken";
    /// Wrong e-mail address or password.
    InvalidCredentials = "invalid-credentials", 401, "The e-mail address or the password is wrong";
    /// Too many failed logins.
    TooManyAttempts = "too-many-attempts", 429, "Too many attempts";
    /// A refresh token, or the token of a mailed link, that is unknown, used, expired or revoked.
    InvalidToken = "invalid-token", 401, "The token is not valid";
    /// The account's address was not confirmed, and must be.
    EmailNotVerified = "email-not-verified", 403, "The e-mail address is not confirmed";
    /// A file name whose extension is not accepted.
    UnsupportedFileFormat = "unsupported-file-format", 415, "The file format is not supported";
    /// The upload is larger than allowed.
    FileTooLarge = "file-too-large", 413, "The file is too large";
    /// The user has too many unfinished videos, or began too many uploads today.
    QuotaExceeded = "quota-exceeded", 429, "Too many videos at once or in a day";
    /// The user's uploads and results have reached the limit of bytes.
    StorageQuotaExceeded = "storage-quota-exceeded", 409, "The account's storage is full";
    /// The user has made too many requests in the last minute.
    RateLimited = "rate-limited", 429, "Too many requests";
    /// The store does not hold the declared upload.
    UploadIncomplete = "upload-incomplete", 409, "The upload is not complete";
    /// The same key with another body.
    IdempotencyKeyReused = "idempotency-key-reused", 422, "The idempotency key was used for another request";
    /// The first request with this key has not been answered yet.
    IdempotencyInProgress = "idempotency-in-progress", 409, "A request with this idempotency key is under way";
    /// No such video.
    VideoNotFound = "video-not-found", 404, "There is no such video";
    /// The video belongs to another account.
    VideoNotOwned = "video-not-owned", 403, "The video belongs to another account";
    /// The account has no webhook.
    WebhookNotSet = "webhook-not-set", 409, "No webhook is set";
    /// No such delivery of a webhook.
    DeliveryNotFound = "delivery-not-found", 404, "There is no such delivery";
    /// No result yet, or none ever.
    ProcessingNotFinished = "processing-not-finished", 400, "The video has no result to download";
    /// The result was deleted after its retention.
    ResultExpired = "result-expired", 410, "The result has expired";
    /// The video has no frame of that number, or none at or before that time.
    FrameNotFound = "frame-not-found", 404, "There is no such frame";
    /// The result was made before frames could be fetched one by one.
    FramesNotIndexed = "frames-not-indexed", 404, "The frames of this result cannot be fetched one by one";
    /// A link to a frame with a wrong signature, or an expired one.
    InvalidLink = "invalid-link", 403, "The link is not valid";
    /// The range lies behind the end.
    RangeNotSatisfiable = "range-not-satisfiable", 416, "There are no such bytes";
    /// The stored result is missing or damaged.
    ResultDamaged = "result-damaged", 502, "The stored result cannot be read";
    /// The upload was deleted.
    SourceExpired = "source-expired", 410, "The upload is not kept any more";
    /// The video is in a terminal state.
    ProcessingAlreadyFinished = "processing-already-finished", 409, "The video is finished already";
    /// No such plugin of the caller's.
    PluginNotFound = "plugin-not-found", 404, "There is no such plugin";
    /// The user has reached a limit of plugins.
    PluginQuotaExceeded = "plugin-quota-exceeded", 409, "The account has as many plugins as it may";
    /// Another worker holds the job.
    LeaseHeld = "lease-held", 409, "Another worker holds the job";
    /// The job is in a terminal state.
    JobFinished = "job-finished", 410, "The job is finished";
    /// The job is not in the queue yet.
    JobNotReady = "job-not-ready", 409, "The job is not ready to be worked on";
    /// The report's attempt is not the current one.
    StaleAttempt = "stale-attempt", 409, "The attempt is not the current one";
    /// A store or queue does not answer.
    Unavailable = "unavailable", 503, "The service cannot answer right now";
    /// A stored record cannot be read, or would be too large to be written.
    RecordDamaged = "record-damaged", 500, "A stored record cannot be used";
    /// An internal error.
    Internal = "internal", 500, "Something went wrong on our side";
}

/// An error in one part of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// Where: a JSON Pointer (RFC 6901) into the body, in which a field of a form is `/name`; for a query
    /// parameter `?name`, behind which a pointer into its JSON may follow; or the name of a header.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

impl FieldError {
    /// What is wrong, and where.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }
}

/// A problem document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:framelift:problem:<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// A short, fixed summary.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong in this case.
    pub detail: String,
    /// The code.
    pub code: ProblemCode,
    /// The request's correlation id.
    pub correlation_id: String,
    /// The errors in the request, if it does not validate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

impl Problem {
    /// A problem of that code.
    pub fn new(code: ProblemCode, detail: impl Into<String>, correlation_id: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:framelift:problem:{}", code.as_str()),
            title: code.title().to_owned(),
            status: code.status(),
            detail: detail.into(),
            code,
            correlation_id: correlation_id.into(),
            errors: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_spelled_the_same_everywhere() {
        for code in ProblemCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert!((400..600).contains(&code.status()));
        }
    }
}
