//! The headers of an answer with the user's rate limit.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The headers of draft-ietf-httpapi-ratelimit-headers-10.
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// A user's rate limit and what is left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    /// Maximum of requests in a minute.
    pub(crate) limit: u32,
    /// Requests that are left.
    pub(crate) remaining: u32,
    /// Seconds until more requests are allowed.
    pub(crate) reset_s: u32,
}

impl Quota {
    /// Whether the request is allowed.
    pub(crate) fn allows(self) -> bool {
        self.remaining > 0
    }

    /// Adds the headers to an answer.
    pub(crate) fn add_headers(self, headers: &mut HeaderMap) {
        let Self { limit, remaining, reset_s } = self;
        let fields = [
            (POLICY, format!("\"user\";q={limit};w=60")),
            (LIMIT, format!("\"user\";r={remaining};t={reset_s}")),
        ];
        for (name, value) in fields {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
    }
}
