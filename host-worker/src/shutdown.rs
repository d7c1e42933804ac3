//! Handles stop signals, and divides the grace period.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code after a second signal.
const EXIT_SECOND_SIGNAL: i32 = 130;

/// A token that the first SIGTERM or SIGINT cancels; the second ends the process at once.
pub fn signals() -> std::io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let token = stop.clone();
    tokio::spawn(async move {
        loop {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            if token.is_cancelled() {
                tracing::warn!(signal = name, "told to stop again: ending at once");
                std::process::exit(EXIT_SECOND_SIGNAL);
            }
            tracing::info!(signal = name, "told to stop: no more work is taken");
            token.cancel();
        }
    });
    Ok(stop)
}

/// The last part of the grace period, in which running jobs are released.
pub(crate) fn release_period(grace: Duration) -> Duration {
    Duration::from_secs(10).min(grace / 2)
}
