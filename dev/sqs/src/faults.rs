//! Faults that can be switched on while the server runs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::error::{ApiError, Code};

/// A handle to the server's faults; clones share them. Everything is off at first, and a
/// period of 0 switches a fault off again.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Switches>);

#[derive(Debug, Default)]
struct Switches {
    errors: Every,
    status: AtomicU32,
    cut: Every,
    duplicates: Every,
    delay_ms: AtomicU64,
}

impl Faults {
    /// Answers every `n`-th request with 503 or, for any other `status`, with 500. Such a
    /// request has no effect.
    pub fn fail_every(&self, n: u32, status: u16) {
        self.0.status.store(u32::from(status), Ordering::Relaxed);
        self.0.errors.set(n);
    }

    /// Carries out every `n`-th request and then closes the connection without an answer.
    pub fn cut_every(&self, n: u32) {
        self.0.cut.set(n);
    }

    /// Delivers every `n`-th received message a second time, under the same message id.
    pub fn duplicate_every(&self, n: u32) {
        self.0.duplicates.set(n);
    }

    /// Waits this long before each request is looked at.
    pub fn delay(&self, delay: Duration) {
        let delay = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.0.delay_ms.store(delay, Ordering::Relaxed);
    }

    /// Switches everything off.
    pub fn clear(&self) {
        self.fail_every(0, 500);
        self.cut_every(0);
        self.duplicate_every(0);
        self.delay(Duration::ZERO);
    }

    pub(crate) fn current_delay(&self) -> Option<Duration> {
        let delay = self.0.delay_ms.load(Ordering::Relaxed);
        (delay > 0).then(|| Duration::from_millis(delay))
    }

    pub(crate) fn next_error(&self) -> Option<ApiError> {
        self.0.errors.strikes().then(|| {
            if self.0.status.load(Ordering::Relaxed) == 503 {
                ApiError::new(
                    Code::ServiceUnavailable,
                    "The request has failed due to a temporary failure of the server.",
                )
            } else {
                ApiError::internal()
            }
        })
    }

    pub(crate) fn next_cut(&self) -> bool {
        self.0.cut.strikes()
    }

    pub(crate) fn next_duplicate(&self) -> bool {
        self.0.duplicates.strikes()
    }
}

/// Says yes each n-th time.
#[derive(Debug, Default)]
struct Every {
    period: AtomicU32,
    seen: AtomicU32,
}

impl Every {
    fn set(&self, period: u32) {
        self.seen.store(0, Ordering::Relaxed);
        self.period.store(period, Ordering::Relaxed);
    }

    fn strikes(&self) -> bool {
        let period = self.period.load(Ordering::Relaxed);
        period > 0 && (self.seen.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(period)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strikes_each_nth_time_and_stops() {
        let faults = Faults::default();
        assert!(faults.next_error().is_none());
        faults.fail_every(3, 503);
        let struck: Vec<_> = (0..6).map(|_| faults.next_error().is_some()).collect();
        assert_eq!(struck, [false, false, true, false, false, true]);
        faults.clone().clear();
        assert!((0..6).all(|_| faults.next_error().is_none()));
    }

    #[test]
    fn chooses_the_status() {
        let faults = Faults::default();
        faults.fail_every(1, 503);
        assert_eq!(faults.next_error().unwrap().code.shape().status, 503);
        faults.fail_every(1, 500);
        assert_eq!(faults.next_error().unwrap().code.shape().status, 500);
    }
}
