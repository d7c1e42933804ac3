//! Cross-origin rules: any page may read and write, and see the headers an uploader needs.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue};
use s3s::{Body, HttpResponse, S3Error, S3ErrorCode, S3Result, s3_error};

const METHODS: [&str; 5] = ["GET", "PUT", "HEAD", "POST", "DELETE"];

/// Answers a preflight (`OPTIONS`), which carries no signature.
pub(crate) fn preflight(request: &HeaderMap) -> S3Result<HttpResponse> {
    let missing = || {
        S3Error::with_message(
            S3ErrorCode::Custom("BadRequest".into()),
            "Insufficient information. Origin and Access-Control-Request-Method headers needed.",
        )
    };
    if !request.contains_key(ORIGIN) {
        return Err(bad_request(missing()));
    }
    let method = request.get(ACCESS_CONTROL_REQUEST_METHOD).ok_or_else(|| bad_request(missing()))?;
    if !METHODS.iter().any(|allowed| method == allowed) {
        let mut error = s3_error!(AccessDenied, "CORSResponse: This CORS request is not allowed.");
        error.set_code(S3ErrorCode::Custom("AccessForbidden".into()));
        error.set_status_code(http::StatusCode::FORBIDDEN);
        return Err(error);
    }

    let mut response = HttpResponse::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, PUT, HEAD, POST, DELETE"));
    if let Some(wanted) = request.get(ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("3000"));
    Ok(response)
}

fn bad_request(mut error: S3Error) -> S3Error {
    error.set_status_code(http::StatusCode::BAD_REQUEST);
    error
}

/// Adds to any answer what lets the page read it.
pub(crate) fn allow(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static(
            "ETag, Content-Length, Content-Range, Content-Disposition, Accept-Ranges, x-amz-request-id",
        ),
    );
    headers.insert(
        VARY,
        HeaderValue::from_static("Origin, Access-Control-Request-Headers, Access-Control-Request-Method"),
    );
}
