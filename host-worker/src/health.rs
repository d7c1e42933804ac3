//! Liveness, readiness and metrics, as other programs see them.

mod engines;
mod metrics;
mod probes;
mod readiness;
mod server;

pub(crate) use engines::Engines;
pub(crate) use metrics::Metrics;
pub(crate) use probes::probe;
pub(crate) use readiness::{Dependency, Readiness};
pub(crate) use server::serve;
