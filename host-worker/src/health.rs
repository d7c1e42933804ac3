//! Liveness, readiness and metrics, as other programs see them.

mod metrics;
mod probes;
mod readiness;
mod server;
mod streak;

pub(crate) use metrics::{DeadLetter, DeferReason, Metrics};
pub(crate) use probes::probe;
pub(crate) use readiness::{Dependency, Readiness};
pub(crate) use server::serve;
pub(crate) use streak::StreakLimit;
