//! Where message ids, receipts and request ids come from.

use uuid::Uuid;

/// A fresh random id.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the adapter that makes the ids of the service; no test depends on their values"
)]
pub(crate) fn fresh() -> Uuid {
    Uuid::new_v4()
}
