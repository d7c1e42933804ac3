//! The one place that reads the clock and makes identifiers.

use std::time::{Duration, SystemTime};

use s3s::dto::Timestamp;

/// Milliseconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "the adapter through which the server reads the clock")]
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// An identifier that sorts by the time it was made, safe as a file name.
#[expect(clippy::disallowed_methods, reason = "the adapter through which the server makes identifiers")]
pub(crate) fn new_id() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

/// The protocol's form of milliseconds since the Unix epoch.
pub(crate) fn timestamp(ms: i64) -> Timestamp {
    let since = Duration::from_millis(u64::try_from(ms).unwrap_or_default());
    Timestamp::from(SystemTime::UNIX_EPOCH + since)
}
