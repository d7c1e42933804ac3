//! The permit to work on one video.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use crate::health::Metrics;

/// One of the worker's permits, counted as used until it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    _permit: OwnedSemaphorePermit,
    metrics: Arc<Metrics>,
}

impl Permit {
    /// Counts a permit.
    pub(crate) fn new(permit: OwnedSemaphorePermit, metrics: &Arc<Metrics>) -> Self {
        metrics.permits_used.inc();
        Self { _permit: permit, metrics: metrics.clone() }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.metrics.permits_used.dec();
    }
}
