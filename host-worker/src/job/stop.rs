//! Stops an attempt early, and keeps the reason.

use std::sync::OnceLock;

use tokio_util::sync::CancellationToken;

/// Why an attempt is stopped before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Another attempt, the owner or the edge has ended this one.
    Superseded,
    /// Control refuses this worker.
    Unauthorised,
    /// The job's deadline has passed.
    Deadline,
    /// The engine has not opened and measured the video within the time for its bytes.
    SlowStart,
    /// Neither frames nor bytes nor the percentage have increased for too long.
    Stuck,
    /// This worker shuts down.
    Shutdown,
}

/// Stops all tasks of an attempt; the first reason is kept.
#[derive(Debug, Default)]
pub(super) struct Stopper {
    pub(super) token: CancellationToken,
    reason: OnceLock<Stop>,
}

impl Stopper {
    pub(super) fn stop(&self, reason: Stop) {
        let _ = self.reason.set(reason);
        self.token.cancel();
    }

    pub(super) fn reason(&self) -> Option<Stop> {
        self.reason.get().copied()
    }
}
