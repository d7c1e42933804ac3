//! What answers say of how often a user may call.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The fields of draft-ietf-httpapi-ratelimit-headers-10.
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// What a user may still do, as answers say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    /// Requests that may be made in a minute.
    pub(crate) limit: u32,
    /// As many as are left.
    pub(crate) remaining: u32,
    /// Seconds after which there is more.
    pub(crate) reset_s: u32,
}

impl Quota {
    /// Whether the request may go on.
    pub(crate) fn allows(self) -> bool {
        self.remaining > 0
    }

    /// Says it in an answer's headers.
    pub(crate) fn tell(self, headers: &mut HeaderMap) {
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
