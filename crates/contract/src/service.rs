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
    /// Returns why a worker of that version must not call this edge, or none if it may. An edge supports workers of its
    /// own and of earlier minor versions, so the edge is updated first.
    pub fn mismatch(&self, worker: &str) -> Option<String> {
        let edge = &self.version;
        let number = |version: &str| -> Option<(u32, u32)> {
            let mut parts = version.split('.').map(|part| part.parse().ok());
            Some((parts.next()??, parts.next()??))
        };
        let (Some(of_edge), Some(of_worker)) = (number(edge), number(worker)) else {
            return Some(format!(
                "the edge tells {edge:?}, and this worker {worker:?}: these are no versions"
            ));
        };
        if of_edge.0 != of_worker.0 {
            return Some(format!(
                "the edge is version {edge}, and this worker {worker}: they do not fit together"
            ));
        }
        (of_edge < of_worker).then(|| {
            format!("the edge is version {edge}, older than this worker ({worker}): update the edge first")
        })
    }

    /// The health of this version.
    pub fn new(status: HealthStatus) -> Self {
        Self { status, version: env!("CARGO_PKG_VERSION").to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_serves_workers_of_its_own_and_of_earlier_versions() {
        let mismatch = |edge: &str, worker: &str| {
            Health { status: HealthStatus::Ok, version: edge.to_owned() }.mismatch(worker)
        };
        for (edge, worker) in [("0.1.0", "0.1.9"), ("1.3.0", "1.2.7"), ("2.0.0-rc.1", "2.0.0")] {
            assert_eq!(mismatch(edge, worker), None, "{edge} {worker}");
        }
        for (edge, worker, part) in [
            ("1.2.0", "1.3.0", "update the edge first"),
            ("1.3.0", "2.0.0", "do not fit"),
            ("2.0.0", "1.9.0", "do not fit"),
            ("", "1.0.0", "no versions"),
        ] {
            assert!(mismatch(edge, worker).is_some_and(|why| why.contains(part)), "{edge} {worker}");
        }
    }
}
