//! Bodies of the health checks.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /health` and `GET /health/ready`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`, or `ready` if everything that the service needs answers, too.
    pub status: HealthStatus,
    /// The version of the service.
    #[schema(example = "0.1.0")]
    pub version: String,
}

/// What a health check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// The service answers.
    Ok,
    /// Everything that the service needs answers, too.
    Ready,
}

impl Health {
    /// The health of this version.
    pub fn new(status: HealthStatus) -> Self {
        Self { status, version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}
