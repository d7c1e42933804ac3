//! How long to wait before the next try: doubling, with jitter, bounded.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::ambient;

/// A schedule of waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backoff {
    /// The first wait, at most.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
}

impl Backoff {
    /// For calls that usually work at the next try.
    pub(crate) const CALLS: Self =
        Self { first: Duration::from_millis(200), longest: Duration::from_secs(10) };
    /// For messages that are put off.
    pub(crate) const MESSAGES: Self =
        Self { first: Duration::from_secs(15), longest: Duration::from_secs(900) };

    /// The wait after so many failures (from 1): between half of `first · 2^(failures-1)` and
    /// all of it, as `fraction` (0 up to 1) says.
    pub(crate) fn after(self, failures: u32, fraction: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(30);
        let whole = self.first.saturating_mul(1 << doublings).min(self.longest);
        whole.mul_f64(0.5 + fraction.clamp(0.0, 1.0) / 2.0)
    }
}

/// Failures so far, and when to give up.
#[derive(Debug)]
pub(crate) struct Tries {
    backoff: Backoff,
    failures: u32,
    give_up_at: Instant,
}

impl Tries {
    /// Tries that end `patience` from now.
    pub(crate) fn new(backoff: Backoff, patience: Duration) -> Self {
        Self { backoff, failures: 0, give_up_at: Instant::now() + patience }
    }

    /// Waits after a failure, at least `at_least`; false when there is to be no other try,
    /// because patience or the caller has ended.
    pub(crate) async fn another(&mut self, at_least: Option<Duration>, cancel: &CancellationToken) -> bool {
        self.failures += 1;
        let wait = self.backoff.after(self.failures, ambient::fraction()).max(at_least.unwrap_or_default());
        if Instant::now() + wait >= self.give_up_at {
            return false;
        }
        tokio::select! {
            () = cancel.cancelled() => false,
            () = tokio::time::sleep(wait) => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(8) };
        let at = |failures, fraction| backoff.after(failures, fraction).as_millis();
        assert_eq!(
            [at(1, 1.0), at(2, 1.0), at(3, 1.0), at(4, 1.0), at(5, 1.0)],
            [1000, 2000, 4000, 8000, 8000]
        );
        assert_eq!([at(0, 0.0), at(1, 0.0), at(2, 0.5), at(u32::MAX, 0.0)], [500, 500, 1500, 4000]);
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(4) };
        let mut tries = Tries::new(backoff, Duration::from_secs(20));
        let (never, mut waits) = (CancellationToken::new(), 0);
        while tries.another(None, &never).await {
            waits += 1;
            assert!(waits < 100);
        }
        assert!((4..=12).contains(&waits), "{waits}");
        assert!(!tries.another(Some(Duration::from_secs(60)), &never).await);
    }

    #[tokio::test]
    async fn a_cancelled_wait_is_no_other_try() {
        let cancel = CancellationToken::new();
        cancel.cancel();
        assert!(!Tries::new(Backoff::MESSAGES, Duration::from_secs(3600)).another(None, &cancel).await);
    }
}
