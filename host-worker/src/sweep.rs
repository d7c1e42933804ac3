//! Calls the edge's sweep about once a minute; the effect does not depend on how many workers call it.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::ambient;
use crate::health::Metrics;
use crate::report::ControlClient;

/// The most calls in a row while the edge says that there is more to do.
const MAX_CONSECUTIVE_CALLS: u32 = 20;

/// Returns the pause before a call: `every`, give or take a tenth, as `fraction` (0 up to 1) says, so
/// that workers started together do not call together.
fn pause(every: Duration, fraction: f64) -> Duration {
    every.mul_f64(0.9 + fraction * 0.2)
}

/// Calls until `cancel`.
pub(crate) async fn run(
    control: ControlClient,
    metrics: Arc<Metrics>,
    every: Duration,
    cancel: CancellationToken,
) {
    loop {
        tokio::select! {
            () = cancel.cancelled() => return,
            () = tokio::time::sleep(pause(every, ambient::fraction())) => {}
        }
        for _ in 0..MAX_CONSECUTIVE_CALLS {
            let answer = tokio::select! {
                () = cancel.cancelled() => return,
                answer = control.sweep() => answer,
            };
            match answer {
                Ok(done) => {
                    metrics.swept(&done);
                    let healed =
                        done.expired_uploads + done.resent + done.lapsed_leases + done.expired_results;
                    if healed > 0 {
                        tracing::info!(
                            expired_uploads = done.expired_uploads,
                            resent = done.resent,
                            lapsed_leases = done.lapsed_leases,
                            expired_results = done.expired_results,
                            "the sweep finished interrupted work"
                        );
                    }
                    if !done.more {
                        break;
                    }
                }
                Err(error) => {
                    metrics.sweep_errors.inc();
                    tracing::warn!(error = %error, "the sweep could not be called");
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_spread_around_the_configured_one() {
        let every = Duration::from_secs(60);
        assert_eq!(pause(every, 0.0), Duration::from_secs(54));
        assert_eq!(pause(every, 1.0), Duration::from_secs(66));
    }
}
