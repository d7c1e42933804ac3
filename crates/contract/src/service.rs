//! What the service says of itself.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /health` and `GET /health/ready`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`, or `ready` if everything that the service needs answers, too.
    #[schema(example = "ok")]
    pub status: String,
    /// The version of the service.
    #[schema(example = "0.1.0")]
    pub version: String,
}

impl Health {
    /// The health of this version.
    pub fn new(status: &str) -> Self {
        Self { status: status.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}
