//! Counters of failed logins, kept in a fixed number of values and checked before any hash is computed.

use std::collections::BTreeMap;

use framelift_domain::Time;
use serde::{Deserialize, Serialize};

use crate::store::Stored;

/// The window of a counter, in milliseconds from its first failure.
const WINDOW_MS: i64 = 15 * 60 * 1000;
/// Number of values that hold the counts, so that made-up addresses cannot fill the store.
const BUCKETS: u32 = 4096;
/// Maximum of counts in one value (about 8 KB). A new count replaces the oldest.
const MAX_ENTRIES: usize = 128;

/// Identifies failures that are counted together, with their limit in the window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Counter {
    /// A keyed hash, in hex.
    name: String,
    limit: u32,
    /// Whether a success sets the count back to zero.
    resets_on_success: bool,
}

impl Counter {
    pub(super) fn new(name: String, limit: u32) -> Self {
        Self { name, limit, resets_on_success: false }
    }

    /// The same counter, reset by a success.
    pub(super) fn reset_on_success(self) -> Self {
        Self { resets_on_success: true, ..self }
    }

    /// The counter's name within its value. 96 bits are enough to distinguish at most 128 counters.
    fn entry(&self) -> String {
        self.name.get(8..32).unwrap_or(&self.name).to_owned()
    }
}

/// The value of `attempts/<bucket>`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attempts {
    #[serde(default)]
    accounts: BTreeMap<String, Count>,
}

impl Stored for Attempts {}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Count {
    since: Time,
    /// Attempts known to have failed.
    failed: u32,
    /// Attempts whose hash is being computed. An attempt whose outcome is never reported stays here, and so counts
    /// as failed until the window ends.
    pending: u32,
}

impl Count {
    /// The seconds until the window ends, if there are too many failures in it.
    fn refusal(&self, limit: u32, now: Time) -> Option<u32> {
        let left_ms = (WINDOW_MS - now.ms_since(self.since)).clamp(0, WINDOW_MS).unsigned_abs();
        let refuses = self.failed >= limit && left_ms > 0;
        refuses.then(|| u32::try_from(left_ms.div_ceil(1000)).unwrap_or(u32::MAX))
    }
}

/// Whether an attempt is admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// The attempt is counted as pending, and its outcome must be reported.
    Admitted,
    /// If all pending attempts failed, the limit would be exceeded.
    Busy,
    /// The limit is reached. Holds the seconds until the window ends.
    Refused(u32),
}

/// The key of the value that holds the counter.
pub(super) fn bucket(counter: &Counter) -> String {
    let start = counter.name.get(..8).and_then(|digits| u32::from_str_radix(digits, 16).ok()).unwrap_or(0);
    format!("attempts/{}", start % BUCKETS)
}

impl Attempts {
    /// Counts an attempt before it is made.
    pub(super) fn begin(mut self, counter: &Counter, now: Time) -> (Self, Admission) {
        self.accounts.retain(|_, count| now.ms_since(count.since) < WINDOW_MS);
        let entry = counter.entry();
        if !self.accounts.contains_key(&entry) && self.accounts.len() >= MAX_ENTRIES {
            let oldest =
                self.accounts.iter().min_by_key(|(_, count)| count.since).map(|(name, _)| name.clone());
            if let Some(oldest) = oldest {
                self.accounts.remove(&oldest);
            }
        }
        let count = self.accounts.entry(entry).or_insert(Count { since: now, failed: 0, pending: 0 });
        let admission = if let Some(left_s) = count.refusal(counter.limit, now) {
            Admission::Refused(left_s)
        } else if count.failed + count.pending >= counter.limit {
            Admission::Busy
        } else {
            count.pending += 1;
            Admission::Admitted
        };
        (self, admission)
    }

    /// The seconds until the window of a counter ends that is at its limit; none if it is not.
    pub(super) fn refusal(&self, counter: &Counter, now: Time) -> Option<u32> {
        self.accounts.get(&counter.entry())?.refusal(counter.limit, now)
    }

    /// Forgets what a counter has counted.
    pub(super) fn forget(mut self, counter: &Counter) -> Self {
        self.accounts.remove(&counter.entry());
        self
    }

    /// An admitted attempt failed.
    pub(super) fn failed(mut self, counter: &Counter, now: Time) -> Self {
        let count =
            self.accounts.entry(counter.entry()).or_insert(Count { since: now, failed: 0, pending: 0 });
        count.pending = count.pending.saturating_sub(1);
        count.failed = count.failed.saturating_add(1);
        self
    }

    /// An admitted attempt succeeded.
    pub(super) fn succeeded(self, counter: &Counter) -> Self {
        self.finish(counter, counter.resets_on_success)
    }

    /// An admitted attempt was not carried out.
    pub(super) fn canceled(self, counter: &Counter) -> Self {
        self.finish(counter, false)
    }

    fn finish(mut self, counter: &Counter, reset: bool) -> Self {
        let entry = counter.entry();
        if let Some(count) = self.accounts.get_mut(&entry) {
            count.pending = count.pending.saturating_sub(1);
            if reset {
                count.failed = 0;
            }
            if count.pending == 0 && count.failed == 0 {
                self.accounts.remove(&entry);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(name: &str) -> Counter {
        Counter::new(name.to_owned(), 10).reset_on_success()
    }

    fn ada() -> Counter {
        counter("00000001aaaaaaaaaaaaaaaaaaaaaaaabbbb")
    }

    fn at(seconds: i64) -> Time {
        Time::from_unix_ms(seconds * 1000)
    }

    fn fail(attempts: Attempts, counter: &Counter, now: Time) -> Attempts {
        let (attempts, admission) = attempts.begin(counter, now);
        assert_eq!(admission, Admission::Admitted);
        attempts.failed(counter, now)
    }

    #[test]
    fn the_eleventh_attempt_is_refused_until_the_window_ends() {
        let mut attempts = Attempts::default();
        for n in 0..10 {
            attempts = fail(attempts, &ada(), at(n));
        }
        assert_eq!(attempts.clone().begin(&ada(), at(10)).1, Admission::Refused(890));
        assert_eq!(attempts.clone().begin(&ada(), at(899)).1, Admission::Refused(1));
        assert_eq!(attempts.begin(&ada(), at(900)).1, Admission::Admitted);
    }

    #[test]
    fn attempts_in_progress_are_counted() {
        let mut attempts = Attempts::default();
        for _ in 0..10 {
            attempts = attempts.begin(&ada(), at(0)).0;
        }
        let (attempts, admission) = attempts.begin(&ada(), at(0));
        assert_eq!(admission, Admission::Busy);
        assert_eq!(attempts.succeeded(&ada()).begin(&ada(), at(0)).1, Admission::Admitted);
    }

    #[test]
    fn a_success_resets_the_failures() {
        let mut attempts = Attempts::default();
        for n in 0..9 {
            attempts = fail(attempts, &ada(), at(n));
        }
        let attempts = attempts.begin(&ada(), at(9)).0;
        assert_eq!(attempts.clone().succeeded(&ada()), Attempts::default());
        // A shared counter is not reset by one client's success.
        let strict = Counter { resets_on_success: false, ..ada() };
        let attempts = fail(attempts.succeeded(&strict), &strict, at(9));
        assert_eq!(attempts.begin(&strict, at(10)).1, Admission::Refused(890));
    }

    #[test]
    fn a_canceled_attempt_is_not_counted() {
        let mut attempts = Attempts::default();
        for _ in 0..100 {
            attempts = attempts.begin(&ada(), at(0)).0.canceled(&ada());
        }
        assert_eq!(attempts, Attempts::default());
    }

    #[test]
    fn a_counter_that_is_looked_at_is_not_changed_and_one_that_is_forgotten_begins_anew() {
        let mut attempts = Attempts::default();
        for _ in 0..9 {
            attempts = fail(attempts, &ada(), at(0));
        }
        assert_eq!(attempts.refusal(&ada(), at(1)), None);
        let attempts = fail(attempts, &ada(), at(1));
        assert_eq!(attempts.refusal(&ada(), at(1)), Some(899));
        assert_eq!(attempts.refusal(&ada(), at(900)), None, "the window is over");
        let other = counter("00000001ccccccccccccccccccccccccbbbb");
        assert_eq!(attempts.refusal(&other, at(1)), None);
        assert_eq!(attempts.clone().forget(&other), attempts);
        assert_eq!(attempts.forget(&ada()), Attempts::default());
    }

    #[test]
    fn attempts_at_made_up_accounts_do_not_fill_a_value() {
        let mut attempts = Attempts::default();
        for n in 0..1000 {
            attempts = fail(attempts, &counter(&format!("00000001{n:024x}")), at(n / 10));
        }
        assert_eq!(attempts.accounts.len(), MAX_ENTRIES);
        assert!(serde_json::to_vec(&attempts).unwrap().len() < 16_000);
        assert_eq!(bucket(&ada()), "attempts/1");
        assert_eq!(bucket(&counter("x")), "attempts/0");
    }
}
