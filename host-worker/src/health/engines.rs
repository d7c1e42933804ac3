//! Counts engines that did not stop when they were told to, and ends the worker because of them.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Metrics, Readiness};

/// How long an abandoned engine may still return by itself (the image of a huge picture takes a
/// while), as long as other permits are left.
const RETURNS_WITHIN: Duration = Duration::from_secs(60);

/// Counts abandoned engines. A thread cannot be killed: it keeps a processor, memory and its
/// permit until the process ends. So the worker ends, and gives back what it holds.
#[derive(Debug)]
pub(crate) struct Engines {
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
    lost: CancellationToken,
}

impl Engines {
    /// None abandoned.
    pub(crate) fn new(metrics: Arc<Metrics>, readiness: Arc<Readiness>) -> Self {
        Self { metrics, readiness, lost: CancellationToken::new() }
    }

    /// Cancelled when the worker must end because of them.
    pub(crate) fn lost(&self) -> &CancellationToken {
        &self.lost
    }

    /// Gives an engine up that has been told to stop; `returned` ends when it does so after all.
    pub(crate) fn abandon(self: &Arc<Self>, returned: impl Future<Output = ()> + Send + 'static) {
        let this = self.clone();
        this.metrics.engines_abandoned.inc();
        if this.metrics.engines_abandoned.get() >= this.metrics.permits.get() {
            this.give_up();
        }
        tokio::spawn(async move {
            tokio::pin!(returned);
            if tokio::time::timeout(RETURNS_WITHIN, &mut returned).await.is_err() {
                this.give_up();
                returned.await;
            }
            this.metrics.engines_abandoned.dec();
        });
    }

    fn give_up(&self) {
        self.readiness.set_stuck();
        self.lost.cancel();
    }

    #[cfg(test)]
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    #[cfg(test)]
    pub(crate) fn readiness(&self) -> &Readiness {
        &self.readiness
    }
}
