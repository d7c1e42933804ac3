//! Checks the AWS signature (version 4) of a request, as the service does for its callers.

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, request::Parts};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use sha2::{Digest, Sha256};

use crate::error::{ApiError, Code};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "sqs";
/// How far a client's clock may be off, in seconds.
const TOLERANCE: i64 = 15 * 60;

/// The one key pair that is known, and where it is valid.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) region: String,
}

/// The parts of an `Authorization` header.
struct Authorization<'a> {
    access_key_id: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    terminator: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl Credentials {
    /// Accepts the request or says why not.
    pub(crate) fn verify(&self, request: &Parts, body: &[u8], now: Timestamp) -> Result<(), ApiError> {
        let Some(header) = request.headers.get(http::header::AUTHORIZATION) else {
            return Err(ApiError::new(
                Code::MissingAuthenticationToken,
                "Request is missing Authentication Token",
            ));
        };
        let authorization = header
            .to_str()
            .ok()
            .and_then(Authorization::parse)
            .ok_or_else(|| mismatch("The Authorization header is incomplete or malformed."))?;
        // Temporary credentials are issued by a service that is not here.
        if authorization.access_key_id != self.access_key_id
            || request.headers.contains_key("x-amz-security-token")
        {
            return Err(ApiError::new(
                Code::InvalidClientTokenId,
                "The security token included in the request is invalid.",
            ));
        }
        let date = request
            .headers
            .get("x-amz-date")
            .and_then(|value| value.to_str().ok())
            .ok_or_else(|| mismatch("The request has no X-Amz-Date header."))?;
        check_age(date, now)?;
        self.check_scope(&authorization, date)?;
        check_signed(&request.headers, authorization.signed_headers)?;

        let canonical = canonical_request(request, authorization.signed_headers, body)
            .ok_or_else(|| mismatch("A signed header is missing or not text."))?;
        let scope = format!(
            "{}/{}/{}/{}",
            authorization.date, authorization.region, authorization.service, authorization.terminator
        );
        let to_sign =
            format!("{ALGORITHM}\n{date}\n{scope}\n{}", hex::encode(Sha256::digest(canonical.as_bytes())));
        let key = self.signing_key(authorization.date);
        let signature = hex::decode(authorization.signature).unwrap_or_default();
        // Compares in constant time.
        keyed(&key, to_sign.as_bytes()).verify_slice(&signature).map_err(|_| {
            mismatch(
                "The request signature we calculated does not match the signature you \
                     provided. Check your AWS Secret Access Key and signing method.",
            )
        })
    }

    fn check_scope(&self, authorization: &Authorization<'_>, date: &str) -> Result<(), ApiError> {
        if authorization.region != self.region {
            return Err(mismatch("Credential should be scoped to a valid region."));
        }
        if authorization.service != SERVICE || authorization.terminator != "aws4_request" {
            return Err(mismatch("Credential should be scoped to correct service: 'sqs'."));
        }
        if !date.starts_with(authorization.date) || authorization.date.len() != 8 {
            return Err(mismatch("Date in Credential scope does not match X-Amz-Date."));
        }
        Ok(())
    }

    fn signing_key(&self, date: &str) -> Vec<u8> {
        let mut key = format!("AWS4{}", self.secret_access_key).into_bytes();
        for part in [date, &self.region, SERVICE, "aws4_request"] {
            key = keyed(&key, part.as_bytes()).finalize().into_bytes().to_vec();
        }
        key
    }
}

impl<'a> Authorization<'a> {
    fn parse(header: &'a str) -> Option<Self> {
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for field in header.strip_prefix(ALGORITHM)?.split(',') {
            match field.trim().split_once('=')? {
                ("Credential", value) => credential = Some(value),
                ("SignedHeaders", value) => signed_headers = Some(value),
                ("Signature", value) => signature = Some(value),
                _ => return None,
            }
        }
        let mut scope = credential?.split('/');
        let parsed = Self {
            access_key_id: scope.next()?,
            date: scope.next()?,
            region: scope.next()?,
            service: scope.next()?,
            terminator: scope.next()?,
            signed_headers: signed_headers?,
            signature: signature?,
        };
        scope.next().is_none().then_some(parsed)
    }
}

fn check_age(date: &str, now: Timestamp) -> Result<(), ApiError> {
    let signed = DateTime::strptime("%Y%m%dT%H%M%SZ", date)
        .ok()
        .and_then(|date| date.to_zoned(TimeZone::UTC).ok())
        .ok_or_else(|| mismatch("Date must be in ISO-8601 'basic format'."))?
        .timestamp();
    let age = now.as_second().saturating_sub(signed.as_second());
    if age > TOLERANCE {
        return Err(mismatch(&format!(
            "Signature expired: {signed} is now earlier than {now} less 15 minutes."
        )));
    }
    if age < -TOLERANCE {
        return Err(mismatch(&format!(
            "Signature not yet current: {signed} is still later than {now} plus 15 minutes."
        )));
    }
    Ok(())
}

/// Headers that determine the meaning of a request must be signed.
fn check_signed(headers: &HeaderMap, signed: &str) -> Result<(), ApiError> {
    let missing = headers
        .keys()
        .map(http::HeaderName::as_str)
        .filter(|name| *name == "host" || name.starts_with("x-amz-"))
        .find(|name| !signed.split(';').any(|one| one == *name));
    match missing {
        Some(name) => Err(mismatch(&format!("'{name}' must be a 'SignedHeader' in the AWS Authorization."))),
        None => Ok(()),
    }
}

fn canonical_request(request: &Parts, signed: &str, body: &[u8]) -> Option<String> {
    let mut canonical = format!("{}\n", request.method);
    for byte in request.uri.path().bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => canonical.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => canonical.push(char::from(byte)),
            // The path arrives encoded and is encoded once more, except for S3.
            _ => canonical.push_str(&format!("%{byte:02X}")),
        }
    }
    canonical.push('\n');
    let mut query: Vec<String> = request
        .uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| match pair.split_once('=') {
            Some(_) => pair.to_owned(),
            None => format!("{pair}="),
        })
        .collect();
    query.sort_unstable();
    canonical.push_str(&query.join("&"));
    canonical.push('\n');
    for name in signed.split(';') {
        canonical.push_str(name);
        canonical.push(':');
        let mut values = request.headers.get_all(name).iter().peekable();
        values.peek()?;
        for (place, value) in values.enumerate() {
            if place > 0 {
                canonical.push(',');
            }
            let words = value.to_str().ok()?.split_ascii_whitespace();
            canonical.push_str(&words.collect::<Vec<_>>().join(" "));
        }
        canonical.push('\n');
    }
    canonical.push_str(&format!("\n{signed}\n{}", hex::encode(Sha256::digest(body))));
    Some(canonical)
}

#[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn keyed(key: &[u8], message: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key length is good");
    mac.update(message);
    mac
}

fn mismatch(message: &str) -> ApiError {
    ApiError::new(Code::SignatureDoesNotMatch, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `post-vanilla` of the AWS Signature Version 4 test suite, whose service is named
    /// "service", so that only the parts below can be compared.
    #[test]
    fn signs_as_the_published_test_suite() {
        let (request, ()) = http::Request::post("/")
            .header("host", "example.amazonaws.com")
            .header("x-amz-date", "20150830T123600Z")
            .body(())
            .unwrap()
            .into_parts();
        let canonical = canonical_request(&request, "host;x-amz-date", b"").unwrap();
        assert_eq!(
            hex::encode(Sha256::digest(canonical.as_bytes())),
            "553f88c9e4d10fc9e109e2aeb65f030801b70c2f6468faca261d401ae622fc87"
        );
    }

    #[test]
    fn folds_spaces_and_repeated_headers() {
        let (request, ()) = http::Request::post("/a b".replace(' ', "%20") + "?b=2&a=1&c")
            .header("x-amz-meta", "  one   two ")
            .header("x-amz-meta", "three")
            .body(())
            .unwrap()
            .into_parts();
        let canonical = canonical_request(&request, "x-amz-meta", b"").unwrap();
        assert!(
            canonical.starts_with("POST\n/a%2520b\na=1&b=2&c=\nx-amz-meta:one two,three\n"),
            "{canonical}"
        );
        assert!(canonical_request(&request, "absent", b"").is_none());
    }

    #[test]
    fn refuses_a_malformed_header() {
        for header in [
            "",
            "AWS4-HMAC-SHA256",
            "Basic dXNlcjpwYXNz",
            "AWS4-HMAC-SHA256 Credential=a/b/c/d/e, SignedHeaders=host",
            "AWS4-HMAC-SHA256 Credential=a/b/c/d, SignedHeaders=host, Signature=00",
            "AWS4-HMAC-SHA256 Credential=a/b/c/d/e/f, SignedHeaders=host, Signature=00",
        ] {
            assert!(Authorization::parse(header).is_none(), "{header}");
        }
    }
}
